import { useState } from 'preact/hooks'

const KEY = 'unplugin-secrets:theme'
const THEMES = ['auto', 'light', 'dark'] as const
type Theme = (typeof THEMES)[number]

function stored(): Theme {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? 'auto'
  } catch {
    return 'auto'
  }
}

/** Follows the system until a person decides otherwise; the decision stays with the browser. */
export function applyTheme(theme: Theme = stored()): void {
  document.documentElement.dataset.theme = theme
}

export function useTheme(): [theme: Theme, next: () => void] {
  const [theme, setTheme] = useState(stored)
  const next = (): void => {
    const chosen = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!
    try {
      localStorage.setItem(KEY, chosen)
    } catch {}
    applyTheme(chosen)
    setTheme(chosen)
  }
  return [theme, next]
}
