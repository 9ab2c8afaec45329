import { isLoopback, quoted } from 'qlik-oauth/internal'
import { configurationError, invalidOption } from '../options/option-checks.ts'
import { type IncomingRequest, requestTarget } from './request-target.ts'

/**
 * Where browsers see the application: an origin, and the base path below which it lives there.
 *
 * A path of the application, such as `/auth/login`, lies below the base path. A balancer may remove the base path from
 * requests or leave it; an application may be mounted below it in Express. Only this value and the mounts made from it
 * know the difference.
 */
export interface PublicLocation {
  /** Such as `https://company.example`. */
  readonly origin: string
  /** Such as `/portal`; empty for an application at the root of its origin. */
  readonly base: string
  /** Origin and base path, without a slash at the end. */
  readonly href: string
  readonly isHttps: boolean
  /** The absolute URL of a path of the application. */
  url(path: string): string
  /** A path of the application as browsers see it. */
  publicPath(path: string): string
  /** A path of the application, from a path with or without the base path. */
  ownPath(path: string): string
  /** Path and query of a request, as a path of the application. */
  pathOf(request: IncomingRequest): string
}

/**
 * Checks a `publicUrl`. `http:` is accepted on loopback only.
 *
 * @throws ERR_CONFIGURATION
 */
export function publicLocation(value: unknown, name = 'publicUrl'): PublicLocation {
  const expected = 'the address at which browsers see the application, such as "https://app.example.com"'
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw invalidOption(name, expected, value)
  const { origin, pathname } = url
  const base = pathname.replace(/\/$/, '')
  if (url.href !== origin + pathname)
    throw configurationError(`${name} must be ${expected}, without a query. Did you mean "${origin}${base}"?`)
  if (base !== '' && !/^(?:\/[\w\-.~]+)+$/.test(base))
    throw configurationError(`${name} must be ${expected}, with a plain path if any, got ${quoted(value)}.`)
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw configurationError(
      `${name} must be ${expected}, got ${quoted(value)}. Session cookies need https; http is accepted on loopback only.`,
    )
  }

  const ownPath = base === '' ? (path: string) => path : (path: string) => belowBase(path, base) ?? path
  return {
    origin,
    base,
    href: origin + base,
    isHttps: url.protocol === 'https:',
    url: path => origin + base + path,
    publicPath: path => base + path,
    ownPath,
    pathOf: request => ownPath(requestTarget(request)),
  }
}

function belowBase(path: string, base: string): string | undefined {
  if (!path.startsWith(base)) return undefined
  const rest = path.slice(base.length)
  if (rest.startsWith('/')) return rest
  return rest === '' || rest.startsWith('?') || rest.startsWith('#') ? `/${rest}` : undefined
}
