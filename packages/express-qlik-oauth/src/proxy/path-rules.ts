import { configurationError, rejectUnknownOptions } from '../http/options/option-checks.ts'
import { barePath, pathReadings } from '../http/path-syntax.ts'
import { httpError } from '../http/response/error-response.ts'
import { type CredentialPath, credentialPath, namesCredentialPath } from './credential-paths.ts'
import { defaultMethods, type ProxiedMethod } from './proxied-method.ts'

/** Paths of the tenant that are open to clients: a pattern for all methods, or with the methods it is open to. */
export type PathRule = string | { readonly path: string; readonly methods: readonly ProxiedMethod[] }

/** What a page needs to show analytics and to use Qlik's APIs. */
export const defaultAllow: readonly PathRule[] = ['/api/**', '/resources/**', '/assets/**', '/qlik-embed/**']

export interface PathRules {
  /**
   * Checks the path of a request, as it will be sent to the tenant.
   *
   * @param path From the mount to the query, beginning with `/`.
   * @throws ERR_PATH_REFUSED, ERR_PATH_NOT_ALLOWED, ERR_METHOD_NOT_ALLOWED
   */
  check(path: string, method: string): void
  /** Whether a plain path, as the tenant writes it in a link, is open. */
  isOpen(path: string): boolean
}

/**
 * Makes rules from a list of patterns: `*` matches one segment, `**` at the end everything below. A pattern must match
 * every reading of a path, and no reading may be a credential path that no pattern names.
 *
 * @throws ERR_CONFIGURATION
 */
export function pathRules(allow: readonly PathRule[] = defaultAllow): PathRules {
  const rules = allow.map(compiled)

  /** The rules that a reading is open by. */
  function openBy(reading: string, method: string): readonly CompiledRule[] {
    const bare = barePath(reading)
    if (neverOpen.test(bare)) return []
    const credentials = credentialPath(bare, method)
    const open = rules.filter(({ pattern }) => pattern.test(reading))
    return credentials === undefined ? open : open.filter(({ path }) => namesCredentialPath(path, credentials))
  }

  return {
    check(path, method) {
      for (const reading of pathReadings(path)) {
        const open = openBy(reading, method)
        if (open.length === 0) throw httpError('ERR_PATH_NOT_ALLOWED', 'This path is not open to clients.')
        if (!open.some(({ methods }) => methods.has(method))) {
          const methods = [...new Set(open.flatMap(rule => [...rule.methods]))]
          throw httpError('ERR_METHOD_NOT_ALLOWED', `Use one of ${methods.join(', ')}.`, { allow: methods })
        }
      }
    },
    isOpen: path => openBy(path, 'GET').length > 0,
  }
}

/** The tenant's own login. It would set session cookies of the tenant. */
const neverOpen = /^\/(?:oauth|login|logout)(?:\/|$)/

interface CompiledRule {
  readonly path: string
  readonly pattern: RegExp
  readonly methods: ReadonlySet<string>
}

function ruleObject(rule: Exclude<PathRule, string>, index: number): Exclude<PathRule, string> {
  rejectUnknownOptions(`allow[${index}]`, rule, ['path', 'methods'])
  return rule
}

function compiled(rule: PathRule, index: number): CompiledRule {
  const { path, methods } = typeof rule === 'string' ? { path: rule, methods: defaultMethods } : ruleObject(rule, index)
  if (typeof path !== 'string' || !/^\/[\w\-.~/*]*$/.test(path) || /\*\*(?!$)|[^/]\*\*$|\*[^/*]|[^/*]\*/.test(path)) {
    throw configurationError(
      `allow[${index}] must be a path such as "/api/**" or "/api/v1/items/*", where "*" is a whole segment and "**" ` +
        `stands at the end, got ${JSON.stringify(path)}.`,
    )
  }
  requireMatch(path, index)
  const unknown = Array.isArray(methods) ? methods.filter(method => !defaultMethods.includes(method)) : [methods]
  if (unknown.length > 0 || methods.length === 0) {
    throw configurationError(
      `allow[${index}].methods must be some of ${defaultMethods.join(', ')}, got ${JSON.stringify(methods)}.`,
    )
  }
  const segments = path.split('/').map(segment => {
    if (segment === '**') return '.*'
    return segment === '*' ? '[^/]+' : segment.replaceAll('.', '\\.')
  })
  // U+2028 in a decoded path is a line end too.
  return { path, pattern: new RegExp(`^${segments.join('/')}$`, 's'), methods: new Set(methods) }
}

/**
 * Refuses a pattern that matches no request, because its paths are never forwarded.
 *
 * @throws ERR_CONFIGURATION
 */
function requireMatch(path: string, index: number): void {
  const never = (reason: string) =>
    configurationError(`allow[${index}] matches no request, got ${JSON.stringify(path)}: ${reason}`)
  if (/\/\/|\/\.{1,2}(?:\/|$)/.test(path))
    throw never('paths with "//", "." or ".." are refused. Write the plain path.')
  const sample = barePath(path.replace(/\*\*$/, '').replaceAll('*', 'any'))
  if (neverOpen.test(sample)) throw never("the tenant's login is never open. Remove it.")
  const credentials = credentialPath(sample, 'GET')
  if (credentials !== undefined && !namesCredentialPath(path, credentials))
    throw never(
      `a path of credentials is open only to a pattern that names it, ${JSON.stringify(spelled(credentials))}.`,
    )
}

/** The pattern that opens a credential path and everything below it. */
function spelled({ path }: CredentialPath): string {
  return path.endsWith('$') ? path.slice(0, -1) : `${path}/**`
}
