/** Nebula's own light theme, or the dark one below. */
export type ThemeName = 'light' | 'simulator-dark'

/** Nebula's dark theme; tables need a background of their own, since without one they draw a white header. */
export const darkTheme = {
  id: 'simulator-dark',
  load: async () => ({ type: 'dark', object: { straightTableV2: { backgroundColor: '#282828' } } }),
}

/** Charts are dark where the page is: it says that it can be (CSS `color-scheme`) and the reader prefers it. */
export function pageTheme(): ThemeName {
  const schemes = getComputedStyle(document.documentElement).colorScheme.split(/\s+/)
  if (!schemes.includes('dark')) return 'light'
  return preference.matches || !schemes.includes('light') ? 'simulator-dark' : 'light'
}

export function watchPageTheme(listener: (theme: ThemeName) => void): void {
  preference.addEventListener('change', () => listener(pageTheme()))
}

const preference = matchMedia('(prefers-color-scheme: dark)')
