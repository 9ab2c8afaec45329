import { httpError } from './response/error-response.ts'

/**
 * The path of a request in every form in which a server might read it: as written, and percent-decoded as often as that
 * changes it. Rules must hold for each of them.
 *
 * @throws ERR_PATH_REFUSED when a form has a `.` or `..` segment, an empty segment, a backslash or a control character,
 * also behind spaces, invisible characters and parameters; and for what is not percent-encoded UTF-8.
 */
export function pathReadings(path: string): readonly string[] {
  if (notVisibleAscii.test(path))
    throw httpError('ERR_PATH_REFUSED', 'A path consists of visible ASCII characters; encode all others.')
  const readings = decodings(path)
  // Without anything encoded, nothing is hidden.
  if (!readings.every(isPlain) || (readings.length > 1 && readings.some(hidesDots))) {
    throw httpError(
      'ERR_PATH_REFUSED',
      'The path must not contain ".", "..", "//", "\\" or control characters, encoded or not.',
    )
  }
  return readings
}

/**
 * Without parameters, query, spaces, invisible characters, and dots and slashes at the end, in lower case: for lists of
 * closed paths.
 */
export function barePath(reading: string): string {
  const plain = /[;?#\s\u2215\u2044\u29f8]|\.(?:\/|$)|[\p{Cf}\p{Default_Ignorable_Code_Point}]/u.test(reading)
    ? reading
        .replace(/[?#].*$/s, '')
        .replace(unseen, '')
        .replace(slashLike, '/')
        .replace(/;[^/]*/g, '')
        .replace(/\.+(?=\/|$)/g, '')
    : reading
  return (plain.endsWith('/') ? plain.replace(/\/+$/, '') : plain).toLowerCase()
}

const notVisibleAscii = /[^\x21-\x7e]|[#?]/

function decodings(path: string): readonly string[] {
  if (!path.includes('%')) return [path]

  const decoded = strictlyDecoded(path)
  const all = [path, decoded]
  for (let text = decoded, rounds = 0; ; rounds += 1) {
    const next = text.replace(/%[0-9a-f]{2}/gi, code => String.fromCharCode(Number.parseInt(code.slice(1), 16)))
    if (next === text) break
    if (rounds === maxRounds) throw httpError('ERR_PATH_REFUSED', 'The path is percent-encoded too many times.')
    all.push(next)
    text = next
  }
  // Some servers read U+FF0F as a slash.
  return [...all, ...all.map(form => form.normalize('NFKC')).filter(form => !all.includes(form))]
}

const maxRounds = 4

/** Fails for what is not UTF-8, such as the overlong forms of a dot. */
function strictlyDecoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch (cause) {
    throw httpError('ERR_PATH_REFUSED', 'The path is not percent-encoded UTF-8.', { cause })
  }
}

function isPlain(path: string): boolean {
  return path.startsWith('/') && !notPlain.test(path)
}

function hidesDots(path: string): boolean {
  return emptyOrDots.test(path.replace(unseen, '').replace(slashLike, '/'))
}

/** A segment may have parameters, `..;x`, which some servers remove before they resolve it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
const notPlain = /[\\\x00-\x1f\x7f]|\/[/;]|\/\.{1,2}(?:[/;?#]|$)/

const emptyOrDots = /\/(?:\/|\.{1,2}(?:[/;?#]|$))/
/** Some servers trim spaces and invisible characters off a segment. */
const unseen = /[\s\p{Cf}\p{Default_Ignorable_Code_Point}]/gu
/** Division slash, fraction slash and big solidus, which NFKC leaves alone. */
const slashLike = /[\u2215\u2044\u29f8]/g
