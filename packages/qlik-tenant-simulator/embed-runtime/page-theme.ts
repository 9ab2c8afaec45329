/** The light theme of nebula.js, or the dark theme below. */
export type ThemeName = 'light' | 'simulator-dark'

/**
 * The dark theme of nebula.js with corrections: its list boxes are grey, its table headers white, and its lines as bright
 * as the text.
 *
 * @param element - Element of the first chart; all charts use the page's background behind it.
 */
export function darkTheme(element: HTMLElement) {
  return {
    id: 'simulator-dark' satisfies ThemeName,
    load: async () => {
      const backgroundColor = backgroundBehind(element)
      return {
        type: 'dark',
        object: {
          title: { main: { color: '#a8b0ad' } },
          listBox: { backgroundColor },
          straightTableV2: { backgroundColor },
          axis: { line: faintLines, label: { name: { color: '#c4cbc8' } } },
          grid: { line: faintLines },
        },
      }
    },
  }
}

const faintLines = { major: { color: '#3b4347' }, minor: { color: '#2b3135' }, highContrast: { color: '#4b5459' } }

/** Background colour of the nearest element that has one. */
function backgroundBehind(element: HTMLElement): string {
  for (let place: HTMLElement | null = element; place !== null; place = place.parentElement) {
    const { backgroundColor } = getComputedStyle(place)
    if (!/^(transparent|rgba\(.*, 0\))$/.test(backgroundColor)) return backgroundColor
  }
  return '#1a1a1a'
}

/** Dark when the page supports it (CSS `color-scheme`) and the user prefers it. */
export function pageTheme(): ThemeName {
  const schemes = getComputedStyle(document.documentElement).colorScheme.split(/\s+/)
  if (!schemes.includes('dark')) return 'light'
  return preference.matches || !schemes.includes('light') ? 'simulator-dark' : 'light'
}

/** Calls back when the theme changes. */
export function watchPageTheme(listener: (theme: ThemeName) => void): void {
  preference.addEventListener('change', () => listener(pageTheme()))
}

const preference = matchMedia('(prefers-color-scheme: dark)')
