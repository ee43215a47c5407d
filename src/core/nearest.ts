/** The known word that a mistyped one most likely means, for `Did you mean …?`. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  // Never every letter: what shares none with the word is not what was meant.
  let bestDistance = Math.min(Math.max(2, Math.floor(word.length / 3)), word.length - 1) + 1
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}

/** ` Did you mean X?`, or nothing. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const guess = nearest(word, known)
  return guess === undefined ? '' : ` Did you mean ${guess}?`
}
