import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { RequestHandler } from 'express'
import { createLogins, type Login } from 'qlik-oauth/internal'
import type { Principal } from './http/principal.ts'
import type { AuthContext } from './login/auth-context.ts'
import type { QlikEventName, QlikEvents } from './login/events.ts'
import { type Guards, guards } from './login/guards.ts'
import { loginStates } from './login/login-state.ts'
import { loginRoutes } from './login/routes.ts'
import { sessionIdReader, sessionSecrets } from './login/session-cookie.ts'
import { bindSessionStore } from './login/session-life.ts'
import {
  configuration,
  publicOrigin,
  type QlikAuthOptions,
  tenantRegistry,
  wholeNumber,
} from './login/tenant-registry.ts'
import { transactionCookies } from './login/transaction-cookie.ts'
import { mountProxies, type QlikProxy } from './qlik-proxy.ts'
import { tenantProxies } from './tenant-proxies.ts'

/** A login as an administrator or its owner sees it. */
export interface LoginSummary {
  readonly id: string
  readonly tenant: string
  readonly createdAt: Date
  readonly refreshedAt: Date
  readonly endsAt: Date
}

/** `close` ends the logins' watch as well; the store stays open: it is the caller's. */
export interface QlikAuth extends Guards, QlikProxy {
  /** Login, callback, logout and session state. Mount after `session()`, at the root. */
  routes(): RequestHandler
  /** The logins of a user, by Qlik's user id. */
  logins(userId: string, tenant?: string): Promise<readonly LoginSummary[]>
  /** Ends all logins of a user: REST and sockets, in every process, within a second. @returns How many were ended. */
  endLogins(userId: string, tenant?: string): Promise<number>
  on<Name extends QlikEventName>(name: Name, listener: (event: QlikEvents[Name]) => void): QlikAuth
  off<Name extends QlikEventName>(name: Name, listener: (event: QlikEvents[Name]) => void): QlikAuth
  /** Resolves when the store answers. @throws ERR_STORE_UNAVAILABLE */
  ready(): Promise<void>
}

/**
 * Qlik Cloud login for an Express application: tokens stay on the server, the browser gets a session cookie.
 *
 * @throws ERR_CONFIGURATION for every option that is not what it must be.
 */
export function qlikAuth(options: QlikAuthOptions): QlikAuth {
  const sites = tenantRegistry(options)
  const { session, store, home = '/', mount = '/qlik' } = options
  const idleSeconds = wholeNumber('idleSeconds', options.idleSeconds ?? 1800, 1)
  const absoluteSeconds = wholeNumber('absoluteSeconds', options.absoluteSeconds ?? 43_200, 1)
  if (session?.store === undefined)
    throw configuration('session must be the options that session() is mounted with, with their store.')
  if (sessionSecrets(session).some(secret => secret.length < 16))
    throw configuration('session.secret must be at least 16 characters long.')

  const events = new EventEmitter()
  const emit = (name: QlikEventName, event: unknown): void => {
    try {
      events.emit(name, event)
    } catch (error) {
      // A listener that fails is the application's business, but nobody's login.
      process.emitWarning(error instanceof Error ? error : String(error))
    }
  }
  const logins = createLogins({
    store,
    clientOf: record => sites.forLogin(record)?.client,
    emit,
    idleSeconds,
    absoluteSeconds,
    refreshLeewaySeconds: wholeNumber('refreshLeewaySeconds', options.refreshLeewaySeconds ?? 60, 0),
    cacheSeconds: wholeNumber('cacheSeconds', options.cacheSeconds ?? 0, 0),
  })
  bindSessionStore(session.store, logins)

  const sessionId = sessionIdReader(session)
  const current = (find: (key: string) => Promise<Login | undefined>) => async (request: IncomingMessage) => {
    const cookie = sessionId(request)
    if (cookie === undefined) return undefined
    const site = sites.of(request)
    if (site === undefined && !sites.tenantFromLogin) return undefined
    const login = await find(cookie.login)
    if (login === undefined || sites.forLogin(login.record) === undefined) return undefined
    return site === undefined || site.client.tenant === login.tenant ? login : undefined
  }
  const context: AuthContext = {
    tenants: sites,
    session,
    store,
    logins,
    states: loginStates(sessionSecrets(session)),
    transactionCookies: transactionCookies(publicOrigin(options.publicUrl)),
    home,
    loginRateLimit: wholeNumber('loginRateLimit', options.loginRateLimit ?? 60, 0),
    emit,
    sessionId,
    findLogin: current(logins.find),
    peekLogin: current(logins.peek),
  }

  const touchMs = (idleSeconds * 1000) / 10
  async function access(request: IncomingMessage): Promise<Principal | undefined> {
    const login = await context.findLogin(request)
    if (login === undefined) return undefined
    let touched = Date.now()
    return {
      id: login.key,
      tokens: login,
      onEnd: listener => logins.onEnd(login, listener),
      active() {
        if (Date.now() - touched < touchMs) return
        touched = Date.now()
        logins.find(login.key).catch(() => {})
      },
    }
  }

  const proxies = tenantProxies({ sites, options, authenticate: access, mount, emit })
  const mounted = mountProxies(proxies.all, proxies.of, mount)
  const tenantsFor = (tenant: string | undefined) =>
    tenant === undefined ? sites.all.map(site => site.client.tenant) : [tenant]

  const qlik: QlikAuth = {
    ...guards(context),
    ...mounted,
    routes: () => loginRoutes(context),
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
      await mounted.close()
      await logins.close()
      await Promise.all(sites.all.map(({ client }) => client.close()))
    },
  }
  return qlik
}
