import { QlikOAuthError } from './errors.ts'
import { isObject } from './json.ts'

/*
 * Checks of options for both packages. Each throws ERR_CONFIGURATION, and names the option, what is expected and what
 * was received.
 */

/** An error with the code ERR_CONFIGURATION. */
export function configurationError(message: string, cause?: unknown): QlikOAuthError {
  return new QlikOAuthError('ERR_CONFIGURATION', message, { cause })
}

/** @param expected As in "timeoutMs must be a whole number of at least 1". */
export function invalidOption(name: string, expected: string, received: unknown): QlikOAuthError {
  return configurationError(`${name} must be ${expected}, got ${quoted(received)}.`)
}

/** A received value for a message: as JSON, at most 120 characters. */
export function quoted(value: unknown): string {
  const text = json(value) ?? described(value)
  return text.length > 120 ? `${text.slice(0, 120)}…` : text
}

/** `String` fails for an object without a prototype. */
function described(value: unknown): string {
  return typeof value === 'object' ? Object.prototype.toString.call(value) : String(value)
}

function json(value: unknown): string | undefined {
  try {
    // JSON has no NaN and no Infinity.
    return typeof value === 'number' ? String(value) : JSON.stringify(value)
  } catch {
    return undefined
  }
}

/** Whether a value is an object with these functions. */
export function hasMethods(value: unknown, names: readonly string[]): value is Record<string, unknown> {
  return isObject(value) && names.every(name => typeof value[name] === 'function')
}

/**
 * A whole number of at least `least`; `fallback` for `undefined`. Names that end in `Ms` or `Seconds` also have an upper
 * bound: what Node's timers can wait for, and ten years.
 */
export function wholeNumber(name: string, value: unknown, fallback: number, least = 1): number {
  if (value === undefined) return fallback
  const most = name.endsWith('Ms') ? 2 ** 31 - 1 : name.endsWith('Seconds') ? tenYears : Number.MAX_SAFE_INTEGER
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value
  const bound = most === Number.MAX_SAFE_INTEGER ? '' : ` and at most ${most}`
  throw invalidOption(name, `a whole number of at least ${least}${bound}`, value)
}

const tenYears = 10 * 365 * 24 * 60 * 60

/** A string that is not empty. */
export function nonEmptyString(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw invalidOption(name, 'a non-empty string', value)
}

/**
 * An id as the tenant shows it: visible ASCII characters, and spaces between them (RFC 6749, appendix A.1), without the
 * line end or spaces of a careless copy.
 */
export function identifier(name: string, value: unknown): string {
  if (typeof value === 'string' && isVisible(value)) return value
  throw invalidOption(name, 'a non-empty string of visible ASCII characters', value)
}

/** As `identifier`, for a secret: the message does not repeat it. */
export function secretText(name: string, value: unknown, hint: string): string {
  if (typeof value === 'string' && isVisible(value)) return value
  const received =
    typeof value !== 'string'
      ? quotedType(value)
      : value === ''
        ? 'an empty string'
        : 'one with spaces at an end or other characters'
  throw configurationError(`${name} must be a string of visible ASCII characters, got ${received}. ${hint}`)
}

function isVisible(text: string): boolean {
  return /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text)
}

function quotedType(value: unknown): string {
  return value === null ? 'null' : typeof value
}

/** A function; `undefined` is not checked. */
export function optionalFunction(name: string, value: unknown, purpose: string): void {
  if (value !== undefined && typeof value !== 'function') throw invalidOption(name, `a function ${purpose}`, value)
}

/**
 * Checks the syntax of a scope (RFC 6749, section 3.3) and splits it. The tenant decides which scopes exist.
 *
 * @returns The scope names, each once.
 */
export function scopeList(scope: unknown): readonly string[] {
  const names = typeof scope === 'string' ? scope.split(' ').filter(name => name !== '') : []
  const invalid = names.find(name => !/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(name) || name.includes(','))
  if (names.length > 0 && invalid === undefined) return [...new Set(names)]
  const hint = invalid?.includes(',') ? ' Separate them by spaces, not commas.' : ''
  const expected = 'names separated by spaces, such as "user_default offline_access"'
  throw configurationError(`scope must be ${expected}, got ${quoted(scope)}.${hint}`)
}

/**
 * Refuses options that do not exist, and suggests the one that was probably meant.
 *
 * @param name What has the options, as in "qlikClient has no option …".
 */
export function rejectUnknownOptions(name: string, options: unknown, known: readonly string[]): void {
  requireOptions(name, options)
  rejectUnknownNames(name, 'option', Object.keys(options), known)
}

/** Refuses anything but an object with options. */
export function requireOptions(name: string, options: unknown): asserts options is Record<string, unknown> {
  if (!isObject(options)) throw invalidOption(name, 'an object with options', options)
  // A promise that was not awaited, a Map, a Date: none of them has the options that it seems to have.
  const kind = Object.prototype.toString.call(options)
  if (kind !== '[object Object]')
    throw configurationError(`${name} must be an object with options, got ${kind.slice(8, -1)}.`)
}

/** @param kind What the names are, as in "qlikAuth has no event …". */
export function rejectUnknownNames(
  name: string,
  kind: 'option' | 'event',
  names: readonly unknown[],
  known: readonly string[],
): void {
  const unknown = names.find(one => typeof one !== 'string' || !known.includes(one))
  if (unknown === undefined) return
  const meant = closest(String(unknown), known)
  const hint = meant === undefined ? `Its ${kind}s are ${[...known].sort().join(', ')}.` : `Did you mean ${meant}?`
  throw configurationError(`${name} has no ${kind} ${String(unknown)}. ${hint}`)
}

/** The word that contains `word`, or else the one with the fewest edits, unless most of `word` would have to change. */
function closest(word: string, words: readonly string[]): string | undefined {
  const longer = words.find(candidate => candidate.toLowerCase().includes(word.toLowerCase()))
  if (longer !== undefined && word.length > 3) return longer
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
