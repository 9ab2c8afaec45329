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

/**
 * Refuses options that do not exist, and suggests the one that was probably meant.
 *
 * @param name What has the options, as in "proxy.timeouts has no option …".
 */
export function rejectUnknownOptions(name: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw invalidOption(name, 'an object with options', options)
  const unknown = Object.keys(options).find(option => !known.includes(option))
  if (unknown === undefined) return
  const meant = closest(unknown, known)
  const hint = meant === undefined ? `Its options are ${[...known].sort().join(', ')}.` : `Did you mean ${meant}?`
  throw configurationError(`${name} has no option ${unknown}. ${hint}`)
}

/** A whole number of at least `least`; `fallback` for `undefined`. */
export function wholeNumber(name: string, value: unknown, fallback: number, least = 1): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value
  throw invalidOption(name, `a whole number of at least ${least}`, value)
}

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

/** The word with the fewest edits from `word`, unless most of `word` would have to change. */
function closest(word: string, words: readonly string[]): string | undefined {
  const distances = words.map(candidate => [candidate, editDistance(word, candidate)] as const)
  const [best] = distances.sort(([, one], [, other]) => one - other)
  return best !== undefined && best[1] <= Math.max(2, word.length / 3) ? best[0] : undefined
}

/** Levenshtein distance that ignores case, row by row of its table. */
function editDistance(from: string, to: string): number {
  const target = [...to.toLowerCase()]
  let row = Array.from({ length: target.length + 1 }, (_, index) => index)
  for (const [index, letter] of [...from.toLowerCase()].entries()) {
    const next = [index + 1]
    for (const [column, other] of target.entries()) {
      const replaced = (row[column] ?? 0) + (letter === other ? 0 : 1)
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1))
    }
    row = next
  }
  return row[target.length] ?? 0
}
