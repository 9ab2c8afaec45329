import { QlikOAuthError } from 'qlik-oauth'
import { isLoopback } from 'qlik-oauth/internal'
import type { Authenticate } from '../http/principal.ts'
import { type AllowRule, defaultAllow } from './path-rules.ts'

export interface RestProxyOptions {
  /** On whose behalf a request reaches the tenant. */
  readonly authenticate: Authenticate
  /**
   * What browsers see, such as `https://app.example.com`. Requests that change something must come from this origin.
   */
  readonly publicUrl: string
  /** Path of the proxy on the public origin, the whole of it where routers are nested. @default '/qlik' */
  readonly mount?: string
  /** What of the tenant is open to browsers. @default ['/api/**', '/resources/**', '/assets/**', '/qlik-embed/**'] */
  readonly allow?: readonly AllowRule[]
  readonly timeouts?: {
    /** For a TCP and TLS connection to the tenant. @default 10000 */
    readonly connectMs?: number
    /**
     * From the request, with its body sent, to the head of the answer; also for waiting for a free connection.
     *
     * @default 60000
     */
    readonly headersMs?: number
    /** Longest silence of the tenant within an answer; does not apply to event streams. @default 120000 */
    readonly bodyMs?: number
    /**
     * Longest silence of the browser while it uploads, and longest time it may read nothing of an answer.
     *
     * @default 60000
     */
    readonly clientMs?: number
  }
  readonly limits?: {
    /** Longest request body. @default 10 GiB */
    readonly bodyBytes?: number
    /** Longest path with query. @default 8192 */
    readonly urlBytes?: number
    /** Longest JSON answer that may come out of a compressed one. @default 256 MiB */
    readonly decompressedBytes?: number
    /** Requests that may wait for a connection to one tenant. @default 1024 */
    readonly waiting?: number
  }
  /** Connections to one tenant. An event stream occupies one as long as it lasts. @default 256 */
  readonly connections?: number
  /** Hears of every request that was refused or failed. Nothing in an event is secret. */
  readonly onEvent?: (event: RestProxyEvent) => void
}

/** A request that the proxy did not pass on, or whose answer it could not pass on whole. */
export interface RestProxyEvent {
  readonly type: 'refused' | 'failed'
  /** Code of the QlikOAuthError, `ERR_INTERNAL` for any other error. */
  readonly code: string
  readonly status: number
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** The one in the answer. */
  readonly traceId: string
  readonly message: string
}

/** Checked options, and every default filled in. */
export interface RestProxySettings {
  readonly authenticate: Authenticate
  readonly publicOrigin: string
  readonly mount: string
  readonly allow: readonly AllowRule[]
  readonly connectMs: number
  readonly headersMs: number
  readonly bodyMs: number
  readonly clientMs: number
  readonly bodyBytes: number
  readonly urlBytes: number
  readonly decompressedBytes: number
  readonly waiting: number
  readonly connections: number
  readonly onEvent: ((event: RestProxyEvent) => void) | undefined
}

/** @throws ERR_CONFIGURATION */
export function restProxySettings(options: RestProxyOptions): RestProxySettings {
  const { authenticate: access, mount = '/qlik', allow = defaultAllow, timeouts = {}, limits = {}, onEvent } = options
  if (typeof access !== 'function') throw wrong('access', 'a function that finds the access of a request', access)
  if (typeof mount !== 'string' || !/^(?:\/[\w\-.~]+)+$/.test(mount) || /\/\.{1,2}(?:\/|$)/.test(mount)) {
    throw wrong('mount', 'a path such as "/qlik", without a slash at its end', mount)
  }
  if (!Array.isArray(allow) || allow.length === 0) throw wrong('allow', 'a list of paths such as ["/api/**"]', allow)
  if (onEvent !== undefined && typeof onEvent !== 'function') throw wrong('onEvent', 'a function', onEvent)

  return {
    authenticate: access,
    publicOrigin: publicOrigin(options.publicUrl),
    mount,
    allow,
    connectMs: count('timeouts.connectMs', timeouts.connectMs, 10_000),
    headersMs: count('timeouts.headersMs', timeouts.headersMs, 60_000),
    bodyMs: count('timeouts.bodyMs', timeouts.bodyMs, 120_000),
    clientMs: count('timeouts.clientMs', timeouts.clientMs, 60_000),
    bodyBytes: count('limits.bodyBytes', limits.bodyBytes, 10 * 1024 ** 3),
    urlBytes: count('limits.urlBytes', limits.urlBytes, 8192),
    decompressedBytes: count('limits.decompressedBytes', limits.decompressedBytes, 256 * 1024 ** 2),
    waiting: count('limits.waiting', limits.waiting, 1024),
    connections: count('connections', options.connections, 256),
    onEvent,
  }
}

function publicOrigin(value: unknown): string {
  const wanted = 'the URL that browsers see, such as "https://app.example.com"'
  if (typeof value !== 'string' || !URL.canParse(value)) throw wrong('publicUrl', wanted, value)
  const { protocol, hostname, origin } = new URL(value)
  if (protocol !== 'https:' && !(protocol === 'http:' && isLoopback(hostname)))
    throw wrong('publicUrl', `${wanted} (http on loopback only)`, value)
  return origin
}

function count(name: string, value: unknown, standard: number): number {
  if (value === undefined) return standard
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0)
    throw wrong(name, 'a whole number above 0', value)
  return value
}

function wrong(name: string, wanted: string, value: unknown): QlikOAuthError {
  return new QlikOAuthError(
    'ERR_CONFIGURATION',
    `${name} must be ${wanted}, got ${JSON.stringify(value) ?? String(value)}.`,
  )
}
