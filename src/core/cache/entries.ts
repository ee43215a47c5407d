/** One cached value of a reference. */
export interface CacheEntry {
  readonly kind: 'text' | 'json' | 'bytes'
  /** The text, JSON text, or base64. */
  readonly text: string
  /** The provider's stamp. */
  readonly version?: string
  /** Unix time in ms. */
  readonly fetchedAt: number
}

/** What is sealed: `docs/cache-format.md` fixes it. */
export function encodeEntries(entries: ReadonlyMap<string, CacheEntry>): Buffer {
  return Buffer.from(JSON.stringify({ entries: [...entries] }))
}

/** @returns `undefined` for anything that is not exactly what `encodeEntries` makes. */
export function decodeEntries(plain: Buffer): Map<string, CacheEntry> | undefined {
  try {
    const content = JSON.parse(plain.toString()) as { entries?: unknown } | null
    if (!Array.isArray(content?.entries)) return undefined
    const pairs = content.entries as unknown[]
    return pairs.every(isPair) ? new Map(pairs) : undefined
  } catch {
    return undefined
  }
}

function isPair(pair: unknown): pair is [string, CacheEntry] {
  if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string') return false
  const entry = pair[1] as Partial<Record<keyof CacheEntry, unknown>> | null
  return (
    typeof entry === 'object' &&
    entry !== null &&
    (entry.kind === 'text' || entry.kind === 'json' || entry.kind === 'bytes') &&
    typeof entry.text === 'string' &&
    (entry.version === undefined || typeof entry.version === 'string') &&
    Number.isFinite(entry.fetchedAt)
  )
}
