import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { sendError } from './http/error-response.ts'
import { httpError } from './http/http-error.ts'
import type { Authenticate } from './http/principal.ts'
import { type RestProxy, restProxy } from './proxy/rest-proxy.ts'
import type { RestProxyOptions } from './proxy/rest-proxy-options.ts'
import { type SocketProxy, type SocketProxyOptions, socketProxy } from './socket/socket-proxy.ts'

/** A plain Node handler that is a piece of Express middleware as well. */
export type ProxyHandler = (request: IncomingMessage, response: ServerResponse, next?: () => void) => void

export interface QlikProxyOptions {
  /**
   * On whose behalf a request reaches the tenant: a logged-in user, a machine, an impersonated or an anonymous user.
   */
  readonly authenticate: Authenticate
  /** Origin at which browsers see this application. */
  readonly publicUrl: string
  /** Path below which the tenant appears. @default '/qlik' */
  readonly mount?: string
  /** Path rules, limits and timeouts of the REST proxy. */
  readonly proxy?: Omit<Partial<RestProxyOptions>, 'access' | 'publicUrl' | 'mount'>
  readonly sockets?: Omit<Partial<SocketProxyOptions>, 'access' | 'publicUrl' | 'mount'>
}

/** The tenant below a path of this application: REST and WebSockets. */
export interface QlikProxy {
  /** The REST proxy. Mount at the path of `mount`, before session and body parsers. */
  proxy(): ProxyHandler
  /** Answers everything below `mount` ahead of the application, which is the fastest way, and hands the rest on. */
  handler(app: RequestListener): RequestListener
  /**
   * Takes the WebSocket upgrades below `mount` of a server. Others are refused, unless the server has a listener of its
   * own for them.
   */
  attach<S extends Server>(server: S): S
  /** Ends open sockets with close code 1001, and the connections to the tenant. */
  close(): Promise<void>
}

/**
 * Proxies a tenant for whoever `access` finds. `qlikAuth` has one built in; use this for applications with a login of
 * their own, or with none.
 *
 * @example
 * const asUser = impersonatedTokens({ client, store })
 * const qlik = qlikProxy({ publicUrl, access: async request => userOf(request) && { tokens: asUser({ subject: userOf(request).subject }) } })
 * @throws ERR_CONFIGURATION
 */
export function qlikProxy(options: QlikProxyOptions): QlikProxy {
  const pair = proxyPair(options)
  return mountProxies([pair], () => pair, options.mount)
}

/** Serves what is below a mount. */
export interface ProxyServer {
  rest(request: IncomingMessage, response: ServerResponse, next?: () => void): void
  readonly sockets: Pick<SocketProxy, 'upgrade'>
}

/** REST proxy and socket proxy with the same options. */
export interface ProxyPair extends ProxyServer {
  readonly rest: RestProxy
  readonly sockets: SocketProxy
}

export function proxyPair({
  authenticate,
  publicUrl,
  mount = '/qlik',
  proxy = {},
  sockets = {},
}: QlikProxyOptions): ProxyPair {
  const shared = { authenticate, publicUrl, mount }
  return { rest: restProxy({ ...proxy, ...shared }), sockets: socketProxy({ ...sockets, ...shared }) }
}

/**
 * Puts proxies below one path.
 *
 * @param all Those to be closed.
 * @param choose Which one serves a request; `undefined` refuses it.
 */
export function mountProxies(
  all: readonly ProxyPair[],
  choose: (request: IncomingMessage) => ProxyServer | undefined,
  mount = '/qlik',
): QlikProxy {
  const proxy: ProxyHandler = (request, response, next) => {
    const chosen = choose(request)
    if (chosen !== undefined) chosen.rest(request, response, next)
    else sendError(response, httpError('ERR_PATH_NOT_ALLOWED', 'This address belongs to no tenant.'))
  }

  return {
    proxy: () => proxy,
    handler: app => (request, response) =>
      isBelow(mount, request) ? proxy(request, response) : app(request, response),
    attach(server) {
      takeUpgrades(server, (request, socket, head) => choose(request)?.sockets.upgrade(request, socket, head) === true)
      return server
    },
    async close() {
      await Promise.all(all.flatMap(({ rest, sockets }) => [rest.close(), sockets.close(drainMs)]))
    },
  }
}

/** Time for browsers to answer a close frame. */
const drainMs = 5000

/** Express takes the path of a router off `url` and keeps the whole in `originalUrl`. */
export function isBelow(mount: string, request: IncomingMessage & { readonly originalUrl?: string }): boolean {
  const url = request.originalUrl ?? request.url ?? ''
  return (
    url.startsWith(mount) && (url.length === mount.length || url[mount.length] === '/' || url[mount.length] === '?')
  )
}

type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean

/** Several proxies may be attached to one server; an upgrade that nobody takes is answered once. */
function takeUpgrades(server: Server, upgrade: Upgrade): void {
  const attached = upgrades.get(server)
  if (attached !== undefined) {
    attached.push(upgrade)
    return
  }
  const all = [upgrade]
  upgrades.set(server, all)
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (all.some(take => take(request, socket, head)) || server.listenerCount('upgrade') > 1) return
    socket.on('error', () => {})
    socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
  })
}

const upgrades = new WeakMap<Server, Upgrade[]>()
