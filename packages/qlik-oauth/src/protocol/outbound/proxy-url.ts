import { configurationError } from '../option-checks.ts'

/**
 * Checks the URL of an HTTP proxy. As in curl, `http://` may be left out.
 *
 * @param name The option or variable that the message names. The value is not repeated: it may hold a password.
 * @throws ERR_CONFIGURATION
 */
export function proxyUrl(name: string, value: unknown): URL {
  const expected = `${name} must be the URL of an HTTP proxy, such as "http://proxy.example:3128"`
  if (typeof value !== 'string' || value === '') throw configurationError(`${expected}, got ${typeof value}.`)
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) throw configurationError(`${expected}. The value given is not a URL.`)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw configurationError(
      `${expected}, got one with ${url.protocol}. For other kinds of proxies, open the connections in outbound.connect.`,
    )
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw configurationError(`${expected}, without a path. Encode "/", "?" and "#" in a password.`)
  }
  if (!isEncoded(url.username) || !isEncoded(url.password))
    throw configurationError(`${expected}. Encode "%" in its user name and password as "%25".`)
  return url
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
