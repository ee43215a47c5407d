const KEY = 'unplugin-secrets:token'

/** Where there is no storage to keep it in, the token lives as long as the page. */
let kept: string | undefined

/** A frame, as in a dock, shares its storage with the app around it, whose scripts have no business with the token. */
const storage = (): Storage | undefined => (top === self ? sessionStorage : undefined)

/** Takes a token, or the link that it stands in. */
export function keepToken(text: string): void {
  kept = /[#&]token=([^&\s]+)/.exec(text)?.[1] ?? text.trim()
  try {
    storage()?.setItem(KEY, kept)
  } catch {}
}

/** Takes `#token=…` out of the address, so that it is in no history, bookmark or screenshot. */
export function takeToken(): string | undefined {
  const given = new URLSearchParams(location.hash.slice(1)).get('token')
  if (given) {
    keepToken(given)
    history.replaceState(null, '', location.pathname + location.search)
  }
  try {
    kept ??= storage()?.getItem(KEY) ?? undefined
  } catch {}
  return kept
}
