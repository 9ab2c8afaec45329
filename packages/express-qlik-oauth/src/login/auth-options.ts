import { KeyObject } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { serialize } from 'cookie'
import type { CookieOptions, SessionOptions, Store } from 'express-session'
import type { LoginStore, QlikClientOptions } from 'qlik-oauth'
import { defaultRefreshLeewaySeconds, hasMethods, isObject, messageOf, quoted } from 'qlik-oauth/internal'
import {
  configurationError,
  invalidOption,
  mountPath,
  publicOrigin,
  rejectUnknownOptions,
  wholeNumber,
} from '../http/option-checks.ts'
import type { ProxyOptions } from '../proxy/rest-proxy-options.ts'
import type { SocketOptions } from '../socket/socket-proxy-options.ts'
import { returnPath } from './return-path.ts'
import { cookieAttributes, type SessionSecret, sessionName, sessionSecrets } from './session-cookie.ts'

/** A tenant of an application that serves several. */
export type TenantOptions = QlikClientOptions & {
  /** Origin at which this tenant's users see the application. @default the application's `publicUrl` */
  readonly publicUrl?: string
  /** Replaces options of the application's `proxy` for this tenant, field by field. */
  readonly proxy?: ProxyOptions
  /** Replaces options of the application's `sockets` for this tenant, field by field. */
  readonly sockets?: SocketOptions
}

/** A request of Node or Express. Inside an Express router, `url` lacks the router's path and `originalUrl` has it. */
export type IncomingRequest = IncomingMessage & { readonly originalUrl?: string }

/** Either one tenant (`tenant`, `clientId`, …) or several (`tenants`, `tenantOf`), never both. */
export type QlikAuthOptions = CommonOptions & (OneTenant | SeveralTenants)

type OneTenant = QlikClientOptions & {
  readonly tenants?: never
  readonly tenantOf?: never
}

type SeveralTenants = {
  /** Several tenants, each with its own client. Their redirect URIs are `{publicUrl}/auth/callback/{tenant host}`. */
  readonly tenants: readonly TenantOptions[]
  /**
   * Finds the tenant of a request: by host name, by path, or by the user's choice at `/auth/login`.
   *
   * @returns The tenant's origin, or `undefined` when the request names none. Then the tenant of the login applies,
   * provided that all tenants have the same `publicUrl`; otherwise the request is refused.
   */
  readonly tenantOf: (request: IncomingRequest) => string | undefined
} & { readonly [Option in keyof QlikClientOptions]?: never }

interface CommonOptions {
  /**
   * Origin at which browsers see this application, such as `https://app.example.com`. It is never taken from a Host
   * header. `http:` is accepted on loopback only.
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
  /** Path of the page shown after logout, and after a login without a return path. @default '/' */
  readonly home?: string
  /**
   * Seconds for which this process keeps decrypted logins in memory. A logout in any process still ends them at once.
   *
   * @default 0
   */
  readonly cacheSeconds?: number
  /** Path below which the tenant appears. @default '/qlik' */
  readonly mount?: string
  /** Path rules, limits and timeouts of the REST proxy. */
  readonly proxy?: ProxyOptions
  /** Limits and timeouts of the WebSocket proxy. */
  readonly sockets?: SocketOptions
}

/** Checked options of `qlikAuth` with every default filled in; the tenants are checked by `tenantRegistry`. */
export interface AuthSettings {
  readonly publicUrl: string
  readonly session: SessionOptions
  readonly sessionStore: Store
  readonly secrets: readonly SessionSecret[]
  readonly store: LoginStore
  readonly idleSeconds: number
  readonly absoluteSeconds: number
  readonly refreshLeewaySeconds: number
  readonly cacheSeconds: number
  readonly loginRateLimit: number
  readonly home: string
  readonly mount: string
}

/** Paths of the routes that `qlik.routes()` serves. */
export const loginPath = '/auth/login'
export const callbackPath = '/auth/callback'
export const logoutPath = '/auth/logout'
export const sessionPath = '/auth/session'

/** Names of the options that belong to one OAuth client. */
export const clientOptionNames = [
  'tenant',
  'clientId',
  'clientSecret',
  'authentication',
  'scope',
  'tier',
  'issuer',
  'timeoutMs',
] as const satisfies readonly (keyof QlikClientOptions)[]

/** @throws ERR_CONFIGURATION for an option that is unknown, invalid, or contradicts another. */
export function authSettings(options: QlikAuthOptions): AuthSettings {
  rejectUnknownOptions('qlikAuth', options, optionNames)
  const publicUrl = publicOrigin(options.publicUrl)
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
  const { sessionStore, secrets } = checkedSession(options.session, publicUrl)
  return {
    publicUrl,
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
    home: homePath(options.home),
    mount: mountBesideRoutes(options.mount),
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
  'home',
  'cacheSeconds',
  'mount',
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
  takeExpired: true,
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

function homePath(home: unknown = '/'): string {
  if (typeof home === 'string' && home.startsWith('/') && returnPath(home, '') === home) return home
  throw invalidOption('home', 'a path on this application outside /auth, such as "/start"', home)
}

function mountBesideRoutes(value: unknown = '/qlik'): string {
  const mount = mountPath(value)
  if (mount !== '/auth' && !mount.startsWith('/auth/')) return mount
  throw configurationError(`mount must lie outside /auth, where the login routes are, got ${quoted(mount)}.`)
}

function checkedSession(
  session: unknown,
  publicUrl: string,
): { sessionStore: Store; secrets: readonly SessionSecret[] } {
  if (!isObject(session)) throw invalidOption('session', 'the options that session() is mounted with', session)
  const { store } = session as Partial<SessionOptions>
  const name: unknown = sessionName(session as unknown as SessionOptions)
  if (!hasMethods(store, ['get', 'set', 'destroy', 'createSession', 'regenerate'])) {
    const received = isObject(store) ? 'an object that is not an express-session store' : quoted(store)
    throw configurationError(
      `session.store must be the store that session() is mounted with, such as new RedisStore({ client: redis }), got ${received}.`,
    )
  }
  if (typeof name !== 'string' || !/^[!#$%&'*+\-.^_`|~\w]+$/.test(name))
    throw invalidOption('session.name', 'a cookie name', name)
  checkCookie(session as unknown as SessionOptions, publicUrl)
  return { sessionStore: store as unknown as Store, secrets: checkedSecrets(session as unknown as SessionOptions) }
}

/** Values are never quoted here: they are secret. */
function checkedSecrets(session: SessionOptions): readonly SessionSecret[] {
  const secrets = sessionSecrets(session)
  if (secrets.length === 0) throw configurationError('session.secret must hold at least one secret.')
  for (const secret of secrets) {
    const bytes = secretBytes(secret)
    if (bytes === undefined)
      throw configurationError(
        `session.secret must be a string, Buffer, typed array or secret KeyObject, or a list of them, got ${typeOf(secret)}.`,
      )
    if (bytes < 16) throw configurationError('session.secret must be at least 16 characters long.')
  }
  return secrets
}

function secretBytes(secret: unknown): number | undefined {
  if (typeof secret === 'string') return secret.length
  if (secret instanceof KeyObject) return secret.type === 'secret' ? secret.symmetricKeySize : undefined
  return ArrayBuffer.isView(secret) ? secret.byteLength : undefined
}

/** A cookie that is a function of the request is checked at the request. */
function checkCookie(session: SessionOptions, publicUrl: string): void {
  const { cookie } = session
  const name = sessionName(session)
  if (cookie === undefined || typeof cookie === 'function') return
  if (!isObject(cookie)) throw invalidOption('session.cookie', 'an object with cookie options, or a function', cookie)
  const { path = '/', secure, sameSite: givenSameSite, domain, maxAge, partitioned } = cookie as CookieOptions
  const sameSite = typeof givenSameSite === 'string' ? givenSameSite.toLowerCase() : givenSameSite
  if (path !== '/') {
    throw configurationError(
      `session.cookie.path must be "/", got ${quoted(path)}: the browser would not send the cookie to /auth and to the proxy.`,
    )
  }
  const isHttps = publicUrl.startsWith('https:')
  if (secure === true && !isHttps) {
    throw configurationError(
      `session.cookie.secure needs an https publicUrl, got ${quoted(publicUrl)}: use sessionCookie(publicUrl), or secure: "auto".`,
    )
  }
  if (secure !== undefined && typeof secure !== 'boolean' && secure !== 'auto')
    throw invalidOption('session.cookie.secure', 'true, false or "auto"', secure)
  const isSecure = secure === true || secure === 'auto'
  if (sameSite === 'none' && !isSecure)
    throw configurationError('session.cookie.sameSite "none" needs secure: true, or browsers refuse the cookie.')
  if (partitioned === true && !isSecure)
    throw configurationError('session.cookie.partitioned needs secure: true, or browsers refuse the cookie.')
  if (typeof maxAge === 'number' && !(maxAge > 0))
    throw invalidOption('session.cookie.maxAge', 'a number of milliseconds above 0', maxAge)
  if (/^__(?:Host|Secure)-/.test(name) && secure !== true)
    throw configurationError(`The name ${name} needs session.cookie.secure: true, or browsers refuse the cookie.`)
  if (name.startsWith('__Host-') && domain !== undefined)
    throw configurationError(`The name ${name} allows no session.cookie.domain, or browsers refuse the cookie.`)
  try {
    serialize(name, 'value', cookieAttributes(cookie, isHttps))
  } catch (error) {
    throw configurationError(`session.cookie is invalid: ${messageOf(error)}.`)
  }
}

function typeOf(value: unknown): string {
  if (value instanceof KeyObject) return `a ${value.type} key`
  return value === null ? 'null' : typeof value
}
