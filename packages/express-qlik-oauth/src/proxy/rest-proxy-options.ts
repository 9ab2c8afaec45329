import { messageOf, quoted } from 'qlik-oauth/internal'
import type { TrustProxy } from '../http/clients/client-address.ts'
import type { Authenticate } from '../http/clients/principal.ts'
import { configurationError, invalidOption, rejectUnknownOptions, wholeNumber } from '../http/options/option-checks.ts'
import { type ProxySettings, proxySettings, type SharedProxyOption } from '../http/proxy-options.ts'
import { defaultAllow, type PathRule, type PathRules, pathRules } from './path-rules.ts'

export interface RestProxyOptions {
  /** Returns the principal of a request. */
  readonly authenticate: Authenticate
  /**
   * Origin at which browsers see the application, such as `https://app.example.com`. State-changing requests must come
   * from its pages.
   */
  readonly publicUrl: string
  /** Path of the proxy on the public origin, including those of routers around it. @default '/qlik' */
  readonly mount?: string
  /**
   * Paths of the tenant that are open to clients. Paths that return or create credentials, such as `/api/v1/api-keys`,
   * are open only when a pattern names them; `/api/**` does not.
   *
   * @default ['/api/**', '/resources/**', '/assets/**', '/qlik-embed/**']
   */
  readonly allow?: readonly PathRule[]
  /**
   * Exact paths of the tenant whose HTML, SVG or XML may run as a page of the application, for embedding it in a frame.
   *
   * Scripts in these pages run with the user's session: they can do anything that the user can do in the application
   * and at the tenant. So can anyone who can publish at these paths.
   *
   * @default []
   */
  readonly dangerouslyRunTenantPages?: readonly string[]
  /**
   * Trusted proxies in front of the application, as in Express's "trust proxy". Limits are counted by client address
   * for principals without an `id`.
   *
   * @default false
   */
  readonly trustProxy?: TrustProxy
  readonly timeouts?: {
    /** For a TCP and TLS connection to the tenant. @default 10000 */
    readonly connectMs?: number
    /** From the end of the request to the head of the response; also the longest wait in the queue. @default 60000 */
    readonly headersMs?: number
    /** Longest pause between two chunks of a response body, except of event streams. @default 120000 */
    readonly bodyMs?: number
    /** Longest time without progress of a client that uploads or reads. @default 60000 */
    readonly clientMs?: number
  }
  readonly limits?: {
    /** Longest request body. @default 10 GiB */
    readonly bodyBytes?: number
    /** Longest path with query. @default 8192 */
    readonly urlBytes?: number
    /** Largest JSON response after decompression. @default 256 MiB */
    readonly decompressedBytes?: number
    /** Requests that may wait for a connection to one tenant. @default 1024 */
    readonly waiting?: number
    /**
     * Requests of one login, in progress and waiting; at most half of `connections` are in progress. Without `id` of
     * the principal, of one client address.
     *
     * @default 128
     */
    readonly requestsPerLogin?: number
    /** Event streams of one login. @default 16 */
    readonly eventStreamsPerLogin?: number
  }
  /** Requests to one tenant at the same time. Event streams may have as many connections beside them. @default 256 */
  readonly connections?: number
  /** Called for every request that was refused or failed, as the event `proxy` is raised. An event holds no secret. */
  readonly onEvent?: (event: RestProxyEvent) => void
}

/** Path rules, limits and timeouts of the REST proxy. */
export type ProxyOptions = Omit<Partial<RestProxyOptions>, SharedProxyOption>

/** A request that the proxy did not forward, or whose response it could not send completely. */
export interface RestProxyEvent {
  readonly type: 'refused' | 'failed'
  /** Code of the QlikOAuthError, `ERR_INTERNAL` for any other error. */
  readonly code: string
  readonly status: number
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** The one in the response. */
  readonly traceId: string
  readonly message: string
}

/** Checked options, with every default filled in. */
export interface RestProxySettings extends ProxySettings<RestProxyEvent> {
  readonly rules: PathRules
  readonly activeContent: ReadonlySet<string>
  readonly connectMs: number
  readonly headersMs: number
  readonly bodyMs: number
  readonly clientMs: number
  readonly bodyBytes: number
  readonly urlBytes: number
  readonly decompressedBytes: number
  readonly waiting: number
  readonly requestsPerLogin: number
  readonly eventStreamsPerLogin: number
  readonly connections: number
}

/** @throws ERR_CONFIGURATION */
export function restProxySettings(options: RestProxyOptions): RestProxySettings {
  rejectUnknownOptions('proxy', options, optionNames)
  const { allow = defaultAllow, dangerouslyRunTenantPages: pages = [], timeouts = {}, limits = {} } = options
  rejectUnknownOptions('proxy.timeouts', timeouts, timeoutNames)
  rejectUnknownOptions('proxy.limits', limits, limitNames)
  if (!Array.isArray(allow) || allow.length === 0)
    throw invalidOption('allow', 'a list of paths such as ["/api/**"]', allow)
  const rules = pathRules(allow)

  return {
    ...proxySettings(options),
    rules,
    activeContent: openPages(pages, rules),
    connectMs: wholeNumber('timeouts.connectMs', timeouts.connectMs, 10_000),
    headersMs: wholeNumber('timeouts.headersMs', timeouts.headersMs, 60_000),
    bodyMs: wholeNumber('timeouts.bodyMs', timeouts.bodyMs, 120_000),
    clientMs: wholeNumber('timeouts.clientMs', timeouts.clientMs, 60_000),
    bodyBytes: wholeNumber('limits.bodyBytes', limits.bodyBytes, 10 * 1024 ** 3),
    urlBytes: wholeNumber('limits.urlBytes', limits.urlBytes, 8192),
    decompressedBytes: wholeNumber('limits.decompressedBytes', limits.decompressedBytes, 256 * 1024 ** 2),
    waiting: wholeNumber('limits.waiting', limits.waiting, 1024),
    requestsPerLogin: wholeNumber('limits.requestsPerLogin', limits.requestsPerLogin, 128),
    eventStreamsPerLogin: wholeNumber('limits.eventStreamsPerLogin', limits.eventStreamsPerLogin, 16),
    connections: wholeNumber('connections', options.connections, 256),
  }
}

function openPages(value: unknown, rules: PathRules): ReadonlySet<string> {
  const expected = 'a list of exact paths of the tenant, such as "/api/v1/apps/1/media/files/page.html"'
  if (!Array.isArray(value)) throw invalidOption('dangerouslyRunTenantPages', expected, value)
  for (const path of value) {
    if (typeof path !== 'string' || !/^(?:\/[\w\-.~%!$&'()+,=:@]+)+$/.test(path))
      throw invalidOption('dangerouslyRunTenantPages', expected, path)
    try {
      rules.check(path, 'GET')
    } catch (error) {
      throw configurationError(
        `dangerouslyRunTenantPages must list paths that "allow" opens to GET, got ${quoted(path)}. ${messageOf(error)}`,
      )
    }
  }
  return new Set(value)
}

const optionNames = [
  'authenticate',
  'publicUrl',
  'mount',
  'allow',
  'dangerouslyRunTenantPages',
  'trustProxy',
  'timeouts',
  'limits',
  'connections',
  'onEvent',
] as const satisfies readonly (keyof RestProxyOptions)[]
const timeoutNames = ['connectMs', 'headersMs', 'bodyMs', 'clientMs'] as const
const limitNames = [
  'bodyBytes',
  'urlBytes',
  'decompressedBytes',
  'waiting',
  'requestsPerLogin',
  'eventStreamsPerLogin',
] as const
