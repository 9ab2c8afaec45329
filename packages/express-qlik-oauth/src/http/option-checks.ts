import { QlikOAuthError } from 'qlik-oauth'
import { isLoopback, quoted } from 'qlik-oauth/internal'

/*
 * Checks of options. Each returns the valid value, and throws ERR_CONFIGURATION with what was given and what is expected.
 */

export function configurationError(message: string): QlikOAuthError {
  return new QlikOAuthError('ERR_CONFIGURATION', message)
}

/** @param expected As in "mount must be a path such as …". */
export function invalidOption(name: string, expected: string, received: unknown): QlikOAuthError {
  return configurationError(`${name} must be ${expected}, got ${quoted(received)}.`)
}

/** A whole number of at least `least`; `fallback` for `undefined`. */
export function wholeNumber(name: string, value: unknown, fallback: number, least = 1): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value
  throw invalidOption(name, `a whole number of at least ${least}`, value)
}

/** The path of a mount, such as `/qlik`. */
export function mountPath(value: unknown, name = 'mount'): string {
  if (typeof value === 'string' && /^(?:\/[\w\-.~]+)+$/.test(value) && !/\/\.{1,2}(?:\/|$)/.test(value)) return value
  throw invalidOption(name, 'a path such as "/qlik", without a slash at its end', value)
}

/** The origin at which browsers see the application. `http:` is accepted on loopback only. */
export function publicOrigin(value: unknown, name = 'publicUrl'): string {
  const expected = 'the origin at which browsers see the application, such as "https://app.example.com"'
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw invalidOption(name, expected, value)
  if (url.href !== `${url.origin}/`) {
    throw configurationError(`${name} must be ${expected}, without a path or query. Did you mean "${url.origin}"?`)
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw configurationError(
      `${name} must be ${expected}, got ${quoted(value)}. Session cookies need https; http is accepted on loopback only.`,
    )
  }
  return url.origin
}
