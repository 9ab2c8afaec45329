import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { QlikOAuthError } from 'qlik-oauth'
import { quoted } from 'qlik-oauth/internal'
import type { Authenticate } from './http/clients/principal.ts'
import { endConnections, onUpgrade, serverClosed } from './http/http-server.ts'
import { keepAliveCheck } from './http/keep-alive-check.ts'
import { type Mount, mountAt } from './http/location/mount.ts'
import { publicLocation } from './http/location/public-location.ts'
import { requestTarget } from './http/location/request-target.ts'
import { misplacedHandshake, misplacedProxy, requireListener, requireServer } from './http/mount-checks.ts'
import { configurationError, mountPath, rejectUnknownOptions, wholeNumber } from './http/options/option-checks.ts'
import { sendError } from './http/response/error-response.ts'
import { eventEmitter, type QlikEventEmitter } from './login/context/event-emitter.ts'
import type { ProxyEventName, QlikEvents } from './login/context/events.ts'
import { restProxy } from './proxy/rest-proxy.ts'
import type { ProxyOptions } from './proxy/rest-proxy-options.ts'
import { type ProxyObserver, proxyObserver } from './proxy-observer.ts'
import { socketProxy } from './socket/socket-proxy.ts'
import type { SocketOptions } from './socket/socket-proxy-options.ts'

/** A plain Node request handler that also works as Express middleware. */
export type QlikProxyHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => void

export interface QlikProxyOptions {
  /** Returns the principal of a request: a logged-in, impersonated or anonymous user, or a machine. */
  readonly authenticate: Authenticate
  /** Address at which browsers see this application: an origin, and a path if it lives below one. */
  readonly publicUrl: string
  /** Path below which the tenant appears, below `publicUrl`. @default '/qlik' */
  readonly mount?: string
  /** Path rules, limits and timeouts of the REST proxy. */
  readonly proxy?: ProxyOptions
  /** Limits and timeouts of the WebSocket proxy. */
  readonly sockets?: SocketOptions
}

export interface ProxyCloseOptions {
  /** Milliseconds that requests and sockets have to finish. @default 5000 */
  readonly graceMs?: number
}

/** The tenant's REST APIs and WebSockets below a path of this application. */
export interface QlikProxy {
  /** The REST proxy. Mount at the path of `mount`, before session and body parsers. */
  proxy(): QlikProxyHandler
  /**
   * Serves requests below `mount` and passes all others to the application, without the cost of Express.
   *
   * @throws ERR_CONFIGURATION
   */
  handler(app: RequestListener): RequestListener
  /**
   * Serves the WebSocket upgrades of a server below `mount`. Upgrades to other paths get 404, unless the server has
   * another listener for them.
   *
   * @throws ERR_CONFIGURATION
   */
  attach<S extends Server>(server: S): S
  /**
   * Drains: refuses new upgrades, closes sockets with 4003 so that Qlik's clients reconnect to another process, lets
   * REST requests finish with `Connection: close`, and then ends the connections to the tenant. Event streams of GET
   * requests end at once, so that `EventSource` reconnects to another process. Call it after `server.close()`.
   *
   * @throws ERR_CONFIGURATION
   */
  close(options?: ProxyCloseOptions): Promise<void>
  /** Adds a listener. @throws ERR_CONFIGURATION for an event that is never raised. */
  on<Name extends ProxyEventName>(name: Name, listener: (event: QlikEvents[Name]) => void): QlikProxy
  off<Name extends ProxyEventName>(name: Name, listener: (event: QlikEvents[Name]) => void): QlikProxy
}

/**
 * Proxies a tenant for the principal that `authenticate` finds: for applications with a login of their own, or without
 * one. `qlikAuth` includes it.
 *
 * @example
 * const asUser = impersonatedTokens({ client, store })
 * const qlik = qlikProxy({ publicUrl, authenticate: async request => {
 *   const user = userOf(request)
 *   return user && { tokens: asUser({ subject: user.subject }) }
 * } })
 * @throws ERR_CONFIGURATION
 */
export function qlikProxy(options: QlikProxyOptions): QlikProxy {
  rejectUnknownOptions('qlikProxy', options, ['authenticate', 'publicUrl', 'mount', 'proxy', 'sockets'])
  const { mount: path = '/qlik' } = options
  const mount = mountPath(path)
  const events = eventEmitter('qlikProxy', options.proxy?.trustProxy)
  const server = proxyServer({ ...options, mount }, proxyObserver(events))
  const qlik: QlikProxy = {
    ...mountedProxy([mountAt(publicLocation(options.publicUrl), mount)], server, events),
    on(name, listener) {
      events.on(name, listener)
      return qlik
    },
    off(name, listener) {
      events.off(name, listener)
      return qlik
    },
  }
  return qlik
}

/** Serves requests and upgrades that are below the mount. */
export interface ProxyServer {
  /** @param authenticate Replaces the option when the principal of the request is known already. */
  rest(request: IncomingMessage, response: ServerResponse, authenticate?: Authenticate): void
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, authenticate?: Authenticate): void
  /** @param connectionsEnded Until then requests may arrive, and are served within `graceMs`. */
  close(graceMs: number, connectionsEnded: Promise<unknown>): Promise<void>
}

/** The REST proxy and the WebSocket proxy with the same options. */
export function proxyServer(
  { proxy = {}, sockets = {}, ...shared }: QlikProxyOptions,
  observer?: ProxyObserver,
): ProxyServer {
  rejectUnknownOptions('proxy', proxy, Object.keys(proxyOptionNames))
  const { timeouts = {}, limits = {} } = proxy
  rejectUnknownOptions('proxy.timeouts', timeouts, Object.keys(timeoutNames))
  rejectUnknownOptions('proxy.limits', limits, Object.keys(limitNames))
  rejectUnknownOptions('sockets', sockets, Object.keys(socketOptionNames))
  const rest = restProxy({ ...proxy, ...shared }, observer)
  const webSockets = socketProxy({ ...sockets, ...shared }, observer)
  return {
    rest: rest.serve,
    upgrade: webSockets.upgrade,
    async close(graceMs, connectionsEnded) {
      await Promise.all([webSockets.close({ graceMs }), rest.close({ graceMs, connectionsEnded })])
    },
  }
}

// Records instead of lists, so that the compiler reports a name that is missing.
const proxyOptionNames: Record<keyof ProxyOptions, true> = {
  allow: true,
  dangerouslyRunTenantPages: true,
  trustProxy: true,
  timeouts: true,
  limits: true,
  connections: true,
  onEvent: true,
}
const timeoutNames: Record<keyof NonNullable<ProxyOptions['timeouts']>, true> = {
  connectMs: true,
  headersMs: true,
  bodyMs: true,
  clientMs: true,
}
const limitNames: Record<keyof NonNullable<ProxyOptions['limits']>, true> = {
  bodyBytes: true,
  urlBytes: true,
  decompressedBytes: true,
  waiting: true,
  requestsPerLogin: true,
  eventStreamsPerLogin: true,
}

const socketOptionNames: Record<keyof SocketOptions, true> = {
  handshakeTimeoutMs: true,
  pingSeconds: true,
  maxMessageBytes: true,
  maxSockets: true,
  maxSocketsPerLogin: true,
  maxUpgradesPerMinute: true,
  trustProxy: true,
  onEvent: true,
}

/**
 * Makes the public object of a proxy server: what concerns the path of requests and the HTTP server.
 *
 * @param mounts One for each base path.
 * @param events Raises a warning for a proxy that is mounted or attached wrongly.
 */
export function mountedProxy(
  mounts: readonly Mount[],
  proxy: ProxyServer,
  events: QlikEventEmitter,
): Omit<QlikProxy, 'on' | 'off'> {
  const servers = new Map<Server, () => void>()
  let closed: Promise<void> | undefined
  const checkKeepAlive = keepAliveCheck(
    () => servers.keys(),
    (message, request) => events.emit('warning', { code: 'ERR_CONFIGURATION', message }, request),
  )
  const warn = ({ code, message }: QlikOAuthError): void => events.emit('warning', { code, message })
  const isBelow = (request: IncomingMessage): boolean => {
    const target = requestTarget(request)
    for (const mount of mounts) if (mount.below(target) !== undefined) return true
    return false
  }

  let servesRest = false
  let isAttached = false
  function rest(request: IncomingMessage, response: ServerResponse): void {
    checkKeepAlive(request, response)
    const misplaced = misplacedHandshake(request, isAttached)
    if (misplaced === undefined) {
      proxy.rest(request, response)
      return
    }
    warn(misplaced)
    sendError(response, misplaced)
  }
  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (!servesRest) warn(onlySockets())
    proxy.upgrade(request, socket, head)
  }
  const onlySockets = (): QlikOAuthError =>
    configurationError(
      `qlik.attach(server) serves WebSockets only: mount app.use(${quoted(mounts[0]?.path ?? '')}, qlik.proxy()) for REST, or serve qlik.handler(app).`,
    )

  async function drain(graceMs: number): Promise<void> {
    for (const server of servers.keys()) endConnections(server, graceMs)
    // Requests of the application itself may still need the login.
    const connectionsEnded = Promise.all([...servers.keys()].map(server => serverClosed(server, graceMs)))
    await Promise.all([proxy.close(graceMs, connectionsEnded), connectionsEnded])
    for (const detach of servers.values()) detach()
    servers.clear()
  }

  return {
    proxy() {
      servesRest = true
      return (request, response, next) => {
        if (next === undefined || isBelow(request)) return rest(request, response)
        const misplaced = misplacedProxy(request, mounts)
        if (misplaced !== undefined) warn(misplaced)
        next(misplaced)
      }
    },
    handler(app) {
      requireListener(app)
      servesRest = true
      return (request, response) => (isBelow(request) ? rest(request, response) : app(request, response))
    },
    attach(server) {
      requireServer(server)
      isAttached = true
      if (!servers.has(server)) servers.set(server, onUpgrade(server, { isBelow, upgrade }))
      return server
    },
    async close(closing = {}) {
      rejectUnknownOptions('close', closing, ['graceMs'])
      closed ??= drain(wholeNumber('graceMs', closing.graceMs, 5000, 0))
      await closed
    },
  }
}
