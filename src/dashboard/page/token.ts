const KEY = 'unplugin-secrets:token'

/** Where the browser refuses storage (a frame of another site), the token lives as long as the page. */
let kept: string | undefined

/** Takes a token, or the link that it stands in. */
export function keepToken(text: string): void {
  kept = /[#&]token=([^&\s]+)/.exec(text)?.[1] ?? text.trim()
  try {
    sessionStorage.setItem(KEY, kept)
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
    kept ??= sessionStorage.getItem(KEY) ?? undefined
  } catch {}
  return kept
}
