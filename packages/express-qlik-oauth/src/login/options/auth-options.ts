import type { SessionOptions, Store } from 'express-session'
import type { LoginStore, QlikClientOptions } from 'qlik-oauth'
import { clientOptionNames, defaultRefreshLeewaySeconds, hasMethods, isObject, quoted } from 'qlik-oauth/internal'
import { mountAt } from '../../http/location/mount.ts'
import { type PublicLocation, publicLocation } from '../../http/location/public-location.ts'
import type { IncomingRequest } from '../../http/location/request-target.ts'
import {
  configurationError,
  invalidOption,
  mountPath,
  rejectUnknownOptions,
  wholeNumber,
} from '../../http/options/option-checks.ts'
import type { ProxyOptions } from '../../proxy/rest-proxy-options.ts'
import type { SocketOptions } from '../../socket/socket-proxy-options.ts'
import { type ApplicationUserId, applicationUserId } from '../application-session/application-user.ts'
import type { SessionSecret } from '../cookies/session-cookie.ts'
import { checkedFrames, type FrameOptions } from '../frames/frame-options.ts'
import { type HookOptions, type HookSettings, hookOptionNames, hookSettings } from '../hooks/hook-options.ts'
import { type LogoutOptions, type LogoutSettings, logoutSettings } from './logout-options.ts'
import { type ReturnScope, returnPath } from './return-path.ts'
import { type RoutePaths, routePaths } from './route-paths.ts'
import { checkedSession } from './session-options.ts'

/** A tenant of an application that serves several. */
export type TenantOptions = QlikClientOptions & {
  /** Address at which this tenant's users see the application. @default the application's `publicUrl` */
  readonly publicUrl?: string
  /** Replaces options of the application's `proxy` for this tenant, field by field. */
  readonly proxy?: ProxyOptions
  /** Replaces options of the application's `sockets` for this tenant, field by field. */
  readonly sockets?: SocketOptions
}

/** Either one tenant (`tenant`, `clientId`, …) or several (`tenants`, `tenantOf`), never both. */
export type QlikAuthOptions = CommonOptions & (OneTenant | SeveralTenants)

type OneTenant = QlikClientOptions & {
  readonly tenants?: never
  readonly tenantOf?: never
}

type SeveralTenants = {
  /** Several tenants, each with its own client. Their redirect URIs are `{publicUrl}{routes.callback}/{tenant host}`. */
  readonly tenants: readonly TenantOptions[]
  /**
   * Finds the tenant of a request: by host name, by path, or by the user's choice at `/auth/login`.
   *
   * @returns The tenant's origin, or `undefined` when the request names none. Then the tenant of the login applies,
   * provided that all tenants have the same `publicUrl`; otherwise the request is refused.
   */
  readonly tenantOf: (request: IncomingRequest) => string | undefined
} & { readonly [Option in keyof QlikClientOptions]?: never }

interface CommonOptions extends HookOptions {
  /**
   * Address at which browsers see this application: an origin, such as `https://app.example.com`, and the path below
   * which the application lives there, if any. It is never taken from a Host header. `http:` is accepted on loopback
   * only.
   *
   * Routes, cookies, redirects and the proxy lie below the path, whether a balancer removes it from requests or not.
   */
  readonly publicUrl: string
  /** The object that `session()` is mounted with, including its store. */
  readonly session: SessionOptions
  /** Where logins and tokens are kept: `redisLoginStore(…)`, or `memoryLoginStore()` for a single process. */
  readonly store: LoginStore
  /** Idle timeout: a login ends after this many seconds without activity. @default 1800 */
  readonly idleSeconds?: number
  /** A login ends after this many seconds, regardless of activity. @default 43200 */
  readonly absoluteSeconds?: number
  /** Seconds before its expiry at which an access token is refreshed. @default 60 */
  readonly refreshLeewaySeconds?: number
  /**
   * Logins started per client network (IPv4 address or IPv6 /64) and minute, over all processes; 0 turns the limit off.
   * Logins that are started again by a stale callback count too.
   *
   * @default 60
   */
  readonly loginRateLimit?: number
  /**
   * Logins that a user may have at one tenant; a further one ends the oldest with the reason `login_limit`. 0: no limit.
   *
   * @default 0
   */
  readonly maxLoginsPerUser?: number
  /** Path of the page shown after logout, and after a login without a return path. @default '/' */
  readonly home?: string
  /**
   * Seconds for which this process keeps decrypted logins in memory. A logout in any process still ends them at once.
   *
   * @default 0
   */
  readonly cacheSeconds?: number
  /** Lets pages of other sites embed the application. @default none */
  readonly frames?: FrameOptions
  /** What happens at logout beside the end of the login. */
  readonly logout?: LogoutOptions
  /** Path below which the tenant appears, below `publicUrl`. @default '/qlik' */
  readonly mount?: string
  /** Paths of the routes of the login, below `publicUrl`; each has a default below `/auth`. */
  readonly routes?: Partial<RoutePaths>
  /** Path rules, limits and timeouts of the REST proxy. */
  readonly proxy?: ProxyOptions
  /** Limits and timeouts of the WebSocket proxy. */
  readonly sockets?: SocketOptions
}

/** Checked options of `qlikAuth` with every default filled in; the tenants are checked by `tenantRegistry`. */
export interface AuthSettings extends HookSettings {
  readonly location: PublicLocation
  readonly session: SessionOptions
  readonly sessionStore: Store
  readonly secrets: readonly SessionSecret[]
  readonly store: LoginStore
  readonly idleSeconds: number
  readonly absoluteSeconds: number
  readonly refreshLeewaySeconds: number
  readonly cacheSeconds: number
  readonly loginRateLimit: number
  readonly maxLoginsPerUser: number
  /** Below the base path of the application, as all paths here. */
  readonly home: string
  readonly mount: string
  readonly routes: RoutePaths
  readonly frames: FrameOptions | undefined
  readonly logout: LogoutSettings
  readonly applicationUserOf: ApplicationUserId
}

/** @throws ERR_CONFIGURATION for an option that is unknown, invalid, or contradicts another. */
export function authSettings(options: QlikAuthOptions): AuthSettings {
  rejectUnknownOptions('qlikAuth', options, optionNames)
  const location = publicLocation(options.publicUrl)
  const idleSeconds = wholeNumber('idleSeconds', options.idleSeconds, 1800)
  const absoluteSeconds = wholeNumber('absoluteSeconds', options.absoluteSeconds, 43_200)
  const cacheSeconds = wholeNumber('cacheSeconds', options.cacheSeconds, 0, 0)
  if (idleSeconds > absoluteSeconds) {
    throw configurationError(
      `idleSeconds (${idleSeconds}) must not exceed absoluteSeconds (${absoluteSeconds}): a login never lasts longer than absoluteSeconds.`,
    )
  }
  if (cacheSeconds > idleSeconds) {
    throw configurationError(
      `cacheSeconds (${cacheSeconds}) must not exceed idleSeconds (${idleSeconds}): cached requests do not extend the idle timeout.`,
    )
  }
  const { sessionStore, secrets } = checkedSession(options.session, location)
  const mount = mountPath(options.mount === undefined ? '/qlik' : options.mount)
  mountAt(location, mount)
  const routes = routePaths(options.routes, mount, location)
  const home = homePath(options.home, { location, routes, mount })
  return {
    location,
    session: options.session,
    sessionStore,
    secrets,
    store: loginStore(options.store),
    idleSeconds,
    absoluteSeconds,
    refreshLeewaySeconds: wholeNumber(
      'refreshLeewaySeconds',
      options.refreshLeewaySeconds,
      defaultRefreshLeewaySeconds,
      0,
    ),
    cacheSeconds,
    loginRateLimit: wholeNumber('loginRateLimit', options.loginRateLimit, 60, 0),
    maxLoginsPerUser: wholeNumber('maxLoginsPerUser', options.maxLoginsPerUser, 0, 0),
    home,
    mount,
    routes,
    frames: checkedFrames(options.frames, options.session),
    ...hookSettings(options),
    logout: logoutSettings(options.logout, home, { location, routes, mount }),
    applicationUserOf: applicationUserId(options.applicationUser),
  }
}

const optionNames: readonly (keyof CommonOptions | keyof OneTenant)[] = [
  ...clientOptionNames,
  'tenants',
  'tenantOf',
  'publicUrl',
  'session',
  'store',
  'idleSeconds',
  'absoluteSeconds',
  'refreshLeewaySeconds',
  'loginRateLimit',
  'maxLoginsPerUser',
  'home',
  'cacheSeconds',
  ...hookOptionNames,
  'logout',
  'mount',
  'routes',
  'frames',
  'proxy',
  'sockets',
]

/** A value that implements the login store contract; also for the other functions that take a `store`. */
export function loginStore(store: unknown): LoginStore {
  const expected = 'redisLoginStore(redis, { keys }), memoryLoginStore(), or another LoginStore'
  if (hasMethods(store, ['call']) || hasMethods(store, ['sendCommand']))
    throw configurationError(
      `store must be ${expected}, got a Redis client. Wrap it: redisLoginStore(redis, { keys }).`,
    )
  if (!hasMethods(store, storeMethods)) {
    const missing = isObject(store) ? storeMethods.filter(name => typeof store[name] !== 'function') : []
    const received = isObject(store) ? `an object without ${missing.join(', ')}` : quoted(store)
    throw configurationError(`store must be ${expected}, got ${received}.`)
  }
  return store as unknown as LoginStore
}

const storeMethods = Object.keys({
  saveTransaction: true,
  takeTransaction: true,
  createLogin: true,
  readLogin: true,
  replaceLogin: true,
  endLogin: true,
  takeEnded: true,
  markReported: true,
  renewEndings: true,
  completeEnding: true,
  idleLeft: true,
  loginKeys: true,
  saveTokens: true,
  readTokens: true,
  lock: true,
  increment: true,
  subscribe: true,
  ping: true,
  close: true,
} satisfies Record<keyof LoginStore, true>)

function homePath(home: unknown = '/', scope: ReturnScope): string {
  if (typeof home === 'string' && home.startsWith('/')) {
    const { location } = scope
    const own = location.ownPath(home)
    if (returnPath(home, scope) === location.publicPath(own)) return own
  }
  throw invalidOption('home', `a path on this application outside its login routes and mount, such as "/start"`, home)
}
