/**
 * Decides where the browser goes after login.
 *
 * Only a path on this application is accepted; anything else would make the login route an open redirect. A path that
 * another decoding would turn into another host, or that leads back into the login itself, is refused as well.
 *
 * @returns The path with its query and fragment, or `fallback` when `candidate` leads elsewhere.
 */
export function returnPath(candidate: unknown, fallback = '/'): string {
  if (typeof candidate !== 'string' || candidate.length > longestPath) return fallback
  const path = ownPath(candidate)
  if (path === undefined || /^\/auth(?:\/|$)/i.test(path)) return fallback

  // Servers and scripts on the way may decode once or twice before somebody follows the path.
  let decoded = candidate
  for (let times = 0; times < 2; times++) {
    decoded = percentDecoded(decoded)
    const again = ownPath(decoded)
    if (again === undefined || /^\/auth(?:\/|$)/i.test(again)) return fallback
  }
  return path
}

const ownOrigin = 'http://app.invalid'
const longestPath = 2048

function ownPath(text: string): string | undefined {
  // Browsers drop tab and line feed from a URL and read a backslash as a slash: nothing of the kind belongs into a
  // path.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (!/^\/(?![/\\])/.test(text) || /[\u0000-\u001f\u007f\\]/.test(text.split(/[?#]/, 1)[0] ?? '')) return undefined
  if (!URL.canParse(text, ownOrigin)) return undefined

  const url = new URL(text, ownOrigin)
  // '/.//other.example' resolves to a path that itself begins with '//', which browsers read as a host.
  if (url.origin !== ownOrigin || url.pathname.startsWith('//')) return undefined
  return url.pathname + url.search + url.hash
}

function percentDecoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, bytes => {
    try {
      return decodeURIComponent(bytes)
    } catch {
      return bytes
    }
  })
}
