import type { IncomingMessage } from 'node:http'
import type { RequestHandler } from 'express'
import { createLogins, type Login } from 'qlik-oauth/internal'
import type { Principal } from './http/clients/principal.ts'
import { mountAt } from './http/location/mount.ts'
import { bindSessionStore } from './login/application-session/session-store.ts'
import type { AuthContext } from './login/context/auth-context.ts'
import { authorizationStates } from './login/context/authorization-state.ts'
import { eventEmitter } from './login/context/event-emitter.ts'
import type { QlikEventName, QlikEvents } from './login/context/events.ts'
import { tokensFor } from './login/context/request-login.ts'
import { tenantRegistry } from './login/context/tenant-registry.ts'
import { cookieRenewal } from './login/cookies/cookie-renewal.ts'
import { sessionIdReader } from './login/cookies/session-cookie.ts'
import { bindCookiePath } from './login/cookies/session-cookie-path.ts'
import { transactionCookies } from './login/cookies/transaction-cookie.ts'
import { guards, type LoginGuards } from './login/guards.ts'
import { authSettings, type QlikAuthOptions } from './login/options/auth-options.ts'
import { loginRoutes } from './login/routes.ts'
import { type UserLogins, userLogins } from './login/user-logins.ts'
import { mountedProxy, type QlikProxy } from './qlik-proxy.ts'
import { tenantProxies } from './tenant-proxies.ts'

export interface QlikAuth extends LoginGuards, QlikProxy, UserLogins {
  /** Login, callback, logout and session state. Mount at the root, after `session()`. */
  routes(): RequestHandler
  on<Name extends QlikEventName>(name: Name, listener: (event: QlikEvents[Name]) => void): QlikAuth
  off<Name extends QlikEventName>(name: Name, listener: (event: QlikEvents[Name]) => void): QlikAuth
  /** Resolves when the store responds. @throws ERR_STORE_UNAVAILABLE */
  ready(): Promise<void>
}

/**
 * Adds Qlik Cloud login to an Express application: access tokens stay on the server, the browser has a session cookie.
 *
 * @throws ERR_CONFIGURATION for an option that is unknown, invalid, or contradicts another.
 */
export function qlikAuth(options: QlikAuthOptions): QlikAuth {
  const settings = authSettings(options)
  const tenants = tenantRegistry(options, settings)
  const { session, store, idleSeconds } = settings
  const events = eventEmitter('qlikAuth', options.proxy?.trustProxy)
  const { emit } = events
  const logins = createLogins({
    ...settings,
    clientOf: record => tenants.ofRecord(record)?.client,
    emit,
  })
  bindCookiePath(session, settings.sessionStore)
  bindSessionStore(settings.sessionStore, { logins, loginStore: store, userOf: settings.applicationUserOf })

  const sessionIds = sessionIdReader(session)
  const loginOf = (read: (key: string) => Promise<Login | undefined>) => async (request: IncomingMessage) => {
    const ids = sessionIds(request)
    if (ids.length === 0) return undefined
    const tenant = tenants.ofRequest(request)
    if (tenant === undefined && !tenants.tenantFromLogin) return undefined
    for (const id of ids) {
      const login = await read(id.login)
      if (login === undefined || tenants.ofRecord(login.record) === undefined) continue
      if (tenant === undefined || tenant.client.tenant === login.tenant) return login
    }
    return undefined
  }
  const context: AuthContext = {
    settings,
    tenants,
    logins,
    states: authorizationStates(settings.secrets),
    transactionCookies: transactionCookies(tenants.cookieLocation, settings),
    emit,
    sessionIds,
    findLogin: loginOf(logins.find),
    peekLogin: loginOf(logins.peek),
  }

  const renewCookie = cookieRenewal(settings)
  const touchMs = (idleSeconds * 1000) / 10
  async function authenticate(request: IncomingMessage): Promise<Principal | undefined> {
    const login = await context.findLogin(request)
    if (login === undefined) return undefined
    let touchedAt = Date.now()
    const sessionId = renewCookie && sessionIds(request).find(id => id.login === login.key)
    const setCookie = sessionId && renewCookie?.(sessionId)
    return {
      ...(setCookie === undefined ? {} : { setCookie }),
      id: login.key,
      user: login.record.user.id,
      tokens: tokensFor(login, request),
      onEnd: listener => logins.onEnd(login, listener),
      active() {
        if (Date.now() - touchedAt < touchMs) return
        touchedAt = Date.now()
        logins.find(login.key).catch(() => {})
      },
    }
  }

  const mounts = new Map(tenants.all.map(({ location }) => [location.base, mountAt(location, settings.mount)]))
  const proxies = mountedProxy(
    [...mounts.values()],
    tenantProxies({ tenants, options, authenticate, settings, events }),
    events,
  )
  const qlik: QlikAuth = {
    ...guards(context),
    ...proxies,
    ...userLogins(logins, tenants),
    routes: () => loginRoutes(context),
    on(name, listener) {
      events.on(name, listener)
      return qlik
    },
    off(name, listener) {
      events.off(name, listener)
      return qlik
    },
    ready: () => store.ping(),
    async close(closing) {
      await proxies.close(closing)
      await logins.close()
      await Promise.all(tenants.all.map(({ client }) => client.close()))
    },
  }
  return qlik
}
