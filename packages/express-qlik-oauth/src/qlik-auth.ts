import { EventEmitter } from 'node:events'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { RequestHandler } from 'express'
import { createLogins, type Login, loginKey } from 'qlik-oauth'
import type { Access } from './access.ts'
import type { AuthContext } from './auth-context.ts'
import { answer } from './error-answer.ts'
import type { QlikEventName, QlikEvents } from './events.ts'
import { type Guards, guards } from './guards.ts'
import { browserCookies } from './login/browser-cookie.ts'
import { loginStates } from './login/login-state.ts'
import { loginRoutes } from './login/routes.ts'
import { sessionIdReader, sessionSecrets } from './login/session-cookie.ts'
import { bindSessionStore } from './login/session-life.ts'
import { configuration, publicOrigin, type QlikAuthOptions, sitesOf, wholeNumber } from './options.ts'
import { type RestProxy, restProxy } from './proxy/rest-proxy.ts'
import { Refusal } from './refusal.ts'
import { type SocketProxy, socketProxy } from './socket/socket-proxy.ts'

/** A login as an administrator or its owner sees it. */
export interface LoginSummary {
  readonly id: string
  readonly tenant: string
  readonly createdAt: Date
  readonly refreshedAt: Date
  readonly endsAt: Date
}

export interface QlikAuth extends Guards {
  /** Login, callback, logout and session state. Mount after `session()`, at the root. */
  routes(): RequestHandler
  /** The REST proxy as a plain Node handler. Mount at `/qlik`, before session and body parsers. */
  proxy(): (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void) => void
  /** Answers `/qlik/**` ahead of the application, which is the fastest way, and hands the rest on. */
  handler(app: RequestListener): RequestListener
  /** Takes the WebSocket upgrades below `/qlik` of a server. Others are refused, unless the server has a listener of its own for them. */
  attach<S extends Server>(server: S): S
  /** The logins of a user, by Qlik's user id. */
  logins(userId: string, tenant?: string): Promise<readonly LoginSummary[]>
  /** Ends all logins of a user: REST and sockets, in every process, within a second. @returns How many were ended. */
  endLogins(userId: string, tenant?: string): Promise<number>
  on<Name extends QlikEventName>(name: Name, listener: (event: QlikEvents[Name]) => void): QlikAuth
  off<Name extends QlikEventName>(name: Name, listener: (event: QlikEvents[Name]) => void): QlikAuth
  /** Resolves when the store answers. @throws ERR_STORE_UNAVAILABLE */
  ready(): Promise<void>
  /** Ends open sockets with close code 1001 and the connections to the tenant. The store stays open: it is the caller's. */
  close(): Promise<void>
}

/**
 * Qlik Cloud login for an Express application: tokens stay on the server, the browser gets a session cookie.
 *
 * @throws ERR_CONFIGURATION for every option that is not what it must be.
 */
export function qlikAuth(options: QlikAuthOptions): QlikAuth {
  const sites = sitesOf(options)
  const { session, store, home = '/' } = options
  const idleSeconds = wholeNumber('idleSeconds', options.idleSeconds ?? 1800, 1)
  const absoluteSeconds = wholeNumber('absoluteSeconds', options.absoluteSeconds ?? 43_200, 1)
  if (session?.store === undefined) throw configuration('session must be the options that session() is mounted with, with their store.')
  if (sessionSecrets(session).some(secret => secret.length < 16)) throw configuration('session.secret must be at least 16 characters long.')

  const events = new EventEmitter()
  const emit: AuthContext['emit'] = (name, event) => void events.emit(name, event)
  const logins = createLogins({
    store,
    clientOf: record => sites.forLogin(record)?.client,
    emit: (name, event) => void events.emit(name, event),
    idleSeconds,
    absoluteSeconds,
    refreshLeewaySeconds: wholeNumber('refreshLeewaySeconds', options.refreshLeewaySeconds ?? 60, 0),
    cacheSeconds: wholeNumber('cacheSeconds', options.cacheSeconds ?? 0, 0),
  })
  bindSessionStore(session.store, logins)

  const sessionId = sessionIdReader(session)
  const current = (find: (key: string) => Promise<Login | undefined>) => async (request: IncomingMessage) => {
    const cookie = sessionId(request)
    const login = cookie === undefined ? undefined : await find(loginKey(cookie.id))
    if (login === undefined || sites.forLogin(login.record) === undefined) return undefined
    const site = sites.of(request)
    return site === undefined || site.client.tenant === login.tenant ? login : undefined
  }
  const context: AuthContext = {
    sites,
    session,
    store,
    logins,
    states: loginStates(sessionSecrets(session)),
    browsers: browserCookies(publicOrigin(options.publicUrl)),
    home,
    loginRateLimit: wholeNumber('loginRateLimit', options.loginRateLimit ?? 60, 0),
    emit,
    sessionId,
    findLogin: current(logins.find),
    peekLogin: current(logins.peek),
  }

  const touchMs = (idleSeconds * 1000) / 10
  async function access(request: IncomingMessage): Promise<Access | undefined> {
    const login = await context.findLogin(request)
    if (login === undefined) return undefined
    let touched = Date.now()
    return {
      tokens: login,
      onEnd: listener => logins.onEnd(login, listener),
      active() {
        if (Date.now() - touched < touchMs) return
        touched = Date.now()
        logins.find(login.key).catch(() => {})
      },
    }
  }

  const { mount = '/qlik' } = options.proxy ?? {}
  const proxies = new Map<string, { rest: RestProxy; sockets: SocketProxy }>()
  for (const { publicUrl } of sites.all) {
    if (proxies.has(publicUrl)) continue
    const shared = { access, publicUrl, mount }
    proxies.set(publicUrl, { rest: restProxy({ ...options.proxy, ...shared }), sockets: socketProxy({ ...options.sockets, ...shared }) })
  }
  const [onlyProxies] = proxies.values()
  const proxiesOf = (request: IncomingMessage) => (proxies.size === 1 ? onlyProxies : proxies.get(sites.of(request)?.publicUrl ?? ''))

  const proxy: ReturnType<QlikAuth['proxy']> = (request, response, next) => {
    const found = proxiesOf(request)
    if (found !== undefined) return found.rest(request, response, next)
    answer(response, new Refusal('ERR_PATH_NOT_ALLOWED', 'This address belongs to no tenant.'))
  }
  const tenantsFor = (tenant: string | undefined) => (tenant === undefined ? sites.all.map(site => site.client.tenant) : [tenant])

  const qlik: QlikAuth = {
    ...guards(context),
    routes: () => loginRoutes(context),
    proxy: () => proxy,
    handler: app => (request, response) => {
      if (isBelow(request.url ?? '', mount)) proxy(request, response)
      else app(request, response)
    },
    attach(server) {
      server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        const found = proxiesOf(request)
        if (found?.sockets.upgrade(request, socket, head) === true) return
        if (server.listenerCount('upgrade') === 1) refuseUpgrade(socket)
      })
      return server
    },
    async logins(userId, tenant) {
      const found = await Promise.all(tenantsFor(tenant).map(origin => logins.list(origin, userId)))
      return found.flat().map(({ key, record }) => ({
        id: key,
        tenant: record.tenant,
        createdAt: new Date(record.createdAt),
        refreshedAt: new Date(record.refreshedAt),
        endsAt: new Date(record.endsAt),
      }))
    },
    async endLogins(userId, tenant) {
      const ended = await Promise.all(tenantsFor(tenant).map(origin => logins.endAll(origin, userId)))
      return ended.reduce((sum, count) => sum + count, 0)
    },
    on(name, listener) {
      events.on(name, listener)
      return qlik
    },
    off(name, listener) {
      events.off(name, listener)
      return qlik
    },
    ready: () => store.ping(),
    async close() {
      await Promise.all([...proxies.values()].flatMap(({ rest, sockets }) => [rest.close(), sockets.close(5000)]))
      await logins.close()
      await Promise.all(sites.all.map(({ client }) => client.close()))
    },
  }
  return qlik
}

function isBelow(url: string, mount: string): boolean {
  return url.startsWith(mount) && (url.length === mount.length || url[mount.length] === '/' || url[mount.length] === '?')
}

function refuseUpgrade(socket: Duplex): void {
  socket.on('error', () => {})
  socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
}
