import { invalidOption } from 'qlik-oauth/internal'

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
