import { invalidOption } from 'qlik-oauth/internal'

/*
 * Checks of options. Each returns the valid value, and throws ERR_CONFIGURATION with what was received and what is
 * expected.
 */
export {
  configurationError,
  invalidOption,
  rejectUnknownNames,
  rejectUnknownOptions,
  wholeNumber,
} from 'qlik-oauth/internal'

/** Seconds from a millisecond to what Node's timers can wait for, fractions allowed; `fallback` for `undefined`. */
export function timerSeconds(name: string, value: unknown, fallback: number): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && value >= 0.001 && value <= maxTimerSeconds) return value
  throw invalidOption(name, `a number of seconds from 0.001 to ${maxTimerSeconds}`, value)
}

const maxTimerSeconds = 2_147_483

/** The path of a mount, such as `/qlik`. */
export function mountPath(value: unknown, name = 'mount'): string {
  if (typeof value === 'string' && /^(?:\/[\w\-.~]+)+$/.test(value) && !/\/\.{1,2}(?:\/|$)/.test(value)) return value
  throw invalidOption(name, 'a path such as "/qlik", without a slash at its end', value)
}
