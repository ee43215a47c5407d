let kept: string | undefined

/**
 * Takes a token, or the link that it stands in. It is kept with this entry of the tab's history: that outlives a
 * reload, and unlike storage it is in no reach of the app's scripts, which are of the same origin. In a frame it
 * would be, so there it lives as long as the page.
 */
export function keepToken(text: string): void {
  kept = /[#&]token=([^&\s]+)/.exec(text)?.[1] ?? text.trim()
  history.replaceState(top === self ? { token: kept } : null, '', location.pathname + location.search)
}

/** Takes `#token=…` out of the address, so that it is in no bookmark and no screenshot. */
export function takeToken(): string | undefined {
  if (location.hash.includes('token=')) keepToken(location.hash)
  kept ??= history.state?.token
  return kept
}
