/** Charts are dark where the page is: it says that it can be (CSS `color-scheme`) and the reader prefers it. */
export function pageTheme(): 'light' | 'dark' {
  const schemes = getComputedStyle(document.documentElement).colorScheme.split(/\s+/)
  if (!schemes.includes('dark')) return 'light'
  return preference.matches || !schemes.includes('light') ? 'dark' : 'light'
}

export function watchPageTheme(listener: (theme: 'light' | 'dark') => void): void {
  preference.addEventListener('change', () => listener(pageTheme()))
}

const preference = matchMedia('(prefers-color-scheme: dark)')
