import { QlikOAuthError } from 'qlik-oauth'
import { httpError } from '../http/http-error.ts'

/** Paths of the tenant that browsers may ask for: a pattern for all methods, or with the methods it is open to. */
export type AllowRule = string | { readonly path: string; readonly methods: readonly string[] }

/** What a browser needs to show analytics and to use Qlik's APIs; everything else of the tenant stays closed. */
export const defaultAllow: readonly AllowRule[] = ['/api/**', '/resources/**', '/assets/**', '/qlik-embed/**']

/** Methods that a pattern without its own list is open to. */
export const defaultMethods: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/**
 * Checks the path of a request, as it will be sent to the tenant.
 *
 * @param path What stands between the mount and the query, beginning with `/`.
 * @throws ERR_PATH_REFUSED, ERR_PATH_NOT_ALLOWED, ERR_METHOD_NOT_ALLOWED
 */
export type PathRules = (path: string, method: string) => void

/**
 * Rules from a list of patterns: `*` stands for one segment, `**` at the end for everything below.
 *
 * A path is judged in every form that a server might read it in: as written, and percent-decoded as often as that
 * changes it. In each form it must be plain (no `.` or `..` segment, no `//`, no `\`, no control character) and on the
 * list.
 *
 * @throws ERR_CONFIGURATION
 */
export function pathRules(allow: readonly AllowRule[] = defaultAllow): PathRules {
  const rules = allow.map(compiled)

  return (path, method) => {
    if (notPlainAscii.test(path))
      throw httpError('ERR_PATH_REFUSED', 'A path consists of visible ASCII characters; encode all others.')

    const all = forms(path)
    // Without anything encoded there is nothing to hide.
    if (!all.every(isPlain) || (all.length > 1 && all.some(hidesDots))) {
      throw httpError(
        'ERR_PATH_REFUSED',
        'The path must not hold ".", "..", "//", "\\" or control characters, encoded or not.',
      )
    }
    for (const form of all) {
      const open = neverOpen.test(form) ? [] : rules.filter(({ pattern }) => pattern.test(form))
      if (open.length === 0)
        throw httpError('ERR_PATH_NOT_ALLOWED', 'This path is not on the list of paths open to the browser.')
      if (!open.some(({ methods }) => methods.has(method))) {
        const methods = [...new Set(open.flatMap(rule => [...rule.methods]))]
        throw httpError('ERR_METHOD_NOT_ALLOWED', `Use one of ${methods.join(', ')}.`, { allow: methods })
      }
    }
  }
}

/** Whether a path, plain and as the tenant writes it in a link, is on the list for any method. */
export function openPaths(allow: readonly AllowRule[] = defaultAllow): (path: string) => boolean {
  const anyRule = new RegExp(allow.map((rule, index) => compiled(rule, index).pattern.source).join('|'), 's')
  return path => anyRule.test(path) && !neverOpen.test(path)
}

const notPlainAscii = /[^\x21-\x7e]|#/
/**
 * The tenant's own login: a browser that gets there leaves with a session of the tenant, which is what this proxy
 * replaces.
 */
const neverOpen = /^\/(?:oauth|login|logout)(?:[/;]|$)/i

/** The path as written and after each round of decoding. */
function forms(path: string): readonly string[] {
  // Nearly all paths: nothing to decode.
  if (!path.includes('%')) return [path]

  const decoded = strictlyDecoded(path)
  const all = [path, decoded]
  for (let text = decoded, rounds = 0; ; rounds += 1) {
    const next = text.replace(/%[0-9a-f]{2}/gi, code => String.fromCharCode(Number.parseInt(code.slice(1), 16)))
    if (next === text) break
    if (rounds === mostRounds) throw httpError('ERR_PATH_REFUSED', 'The path is percent-encoded too many times.')
    all.push(next)
    text = next
  }
  // Servers exist that read U+FF0F as a slash.
  return [...all, ...all.map(form => form.normalize('NFKC')).filter(form => !all.includes(form))]
}

const mostRounds = 4

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

/** A segment may carry parameters, `..;x`, that some servers take off before they resolve it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
const notPlain = /[\\\x00-\x1f\x7f]|\/[/;]|\/\.{1,2}(?:[/;?#]|$)/

const emptyOrDots = /\/(?:\/|\.{1,2}(?:[/;?#]|$))/
/** Spaces and invisible characters: servers exist that trim them off a segment. */
const unseen = /[\s\p{Cf}]/gu
/** Division slash, fraction slash and big solidus, which NFKC leaves alone. */
const slashLike = /[\u2215\u2044\u29f8]/g

interface CompiledRule {
  readonly pattern: RegExp
  readonly methods: ReadonlySet<string>
}

function compiled(rule: AllowRule, index: number): CompiledRule {
  const { path, methods } = typeof rule === 'string' ? { path: rule, methods: defaultMethods } : rule
  if (typeof path !== 'string' || !/^\/[\w\-.~/*]*$/.test(path) || /\*\*(?!$)|[^/]\*\*$|\*[^/*]|[^/*]\*/.test(path)) {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `allow[${index}] must be a path such as "/api/**" or "/api/v1/items/*", "*" being one whole segment and "**" the end, got ${JSON.stringify(path)}.`,
    )
  }
  const unknown = methods.filter(method => !defaultMethods.includes(method))
  if (methods.length === 0 || unknown.length > 0) {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `allow[${index}].methods must be some of ${defaultMethods.join(', ')}, got ${JSON.stringify(methods)}.`,
    )
  }
  const segments = path.split('/').map(segment => {
    if (segment === '**') return '.*'
    return segment === '*' ? '[^/]+' : segment.replaceAll('.', '\\.')
  })
  // A decoded path may hold line ends only after the check for control characters, but U+2028 is one as well.
  return { pattern: new RegExp(`^${segments.join('/')}$`, 's'), methods: new Set(methods) }
}
