import { configurationError, invalidOption, isLoopback, quoted } from 'qlik-oauth/internal'

/*
 * Checks of options. Each returns the valid value, and throws ERR_CONFIGURATION with what was received and what is
 * expected.
 */
export { configurationError, invalidOption, rejectUnknownOptions, wholeNumber } from 'qlik-oauth/internal'

/** A number above 0, fractions allowed; `fallback` for `undefined`. */
export function positiveNumber(name: string, value: unknown, fallback: number): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value
  throw invalidOption(name, 'a number above 0', value)
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
