import { createStore } from 'zustand/vanilla'

export type Theme = 'light' | 'dark' | 'system'
const KEY = 'parley.theme'

/** The same rule runs in public/theme.js before the first paint. */
export const themeStore = createStore<{ theme: Theme }>(() => ({ theme: stored() }))

export function setTheme(theme: Theme): void {
  themeStore.setState({ theme })
  try {
    localStorage.setItem(KEY, theme)
  } catch {
    // The choice then lasts until the page is closed.
  }
  paint()
}

export function followSystemTheme(): void {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paint)
}

function paint(): void {
  const { theme } = themeStore.getState()
  const dark = theme === 'dark' || (theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.dataset.theme = dark ? 'dark' : 'light'
}

function stored(): Theme {
  try {
    const theme = localStorage.getItem(KEY)
    return theme === 'light' || theme === 'dark' ? theme : 'system'
  } catch {
    return 'system'
  }
}
