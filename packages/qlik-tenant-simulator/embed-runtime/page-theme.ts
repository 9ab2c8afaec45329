/** Nebula's own light theme, or the dark one below. */
export type ThemeName = 'light' | 'simulator-dark'

/**
 * Nebula's dark theme, with what it lacks: list boxes and tables have a grey of their own or a white header, and lines
 * are as bright as the text.
 *
 * @param element Where the first chart is drawn: all get the background that the page has there.
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

/** The colour of the nearest element that has one. */
function backgroundBehind(element: HTMLElement): string {
  for (let place: HTMLElement | null = element; place !== null; place = place.parentElement) {
    const { backgroundColor } = getComputedStyle(place)
    if (!/^(transparent|rgba\(.*, 0\))$/.test(backgroundColor)) return backgroundColor
  }
  return '#1a1a1a'
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
