import type { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { QlikOAuthError, type TokenSource } from 'qlik-oauth'
import { unlessAborted, withAccessToken } from 'qlik-oauth/internal'
import { callApplication } from '../http/clients/call-application.ts'
import { connectionLimiter } from '../http/clients/connection-limiter.ts'
import type { Authenticate, Principal } from '../http/clients/principal.ts'
import { refuseUpgrade } from '../http/http-server.ts'
import { requestTarget } from '../http/location/request-target.ts'
import { describeError, httpError } from '../http/response/error-response.ts'
import { traceIdOf } from '../http/response/request-context.ts'
import { requireOrigin } from '../http/same-origin.ts'
import { heartbeat } from './heartbeat.ts'
import { watchPendingClient } from './pending-client.ts'
import { ProxiedSocket } from './proxied-socket.ts'
import {
  type SocketEvent,
  type SocketIdentity,
  type SocketObserver,
  type SocketProxyOptions,
  type SocketRefused,
  socketProxySettings,
} from './socket-proxy-options.ts'
import { socketTarget } from './socket-target.ts'
import { socketAgent, type TenantSocket } from './tenant-socket.ts'
import { type SocketTraffic, Tunnel, type TunnelEnd } from './tunnel.ts'
import { acceptUpgrade, checkUpgrade } from './upgrade.ts'
import { upgradeRate } from './upgrade-rate.ts'

export interface SocketProxy {
  /**
   * Handles an upgrade request below the mount. Never throws.
   *
   * @param authenticate Replaces the option where the principal of a request is known already.
   */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, authenticate?: Authenticate): void
  /**
   * Drains the sockets of this process: new ones get 503, open ones are closed with 4003, the close code at which
   * Qlik's clients resume at once, in another process. Sockets that are open after `graceMs` are destroyed.
   */
  close(options: { readonly graceMs: number }): Promise<void>
}

/**
 * Proxies the engine's WebSockets, `{mount}/app/{id}`, to the tenant of the authenticated user.
 *
 * An upgrade reaches the tenant only with a login and from a page of this application. A socket ends with its login,
 * with close code 4006.
 *
 * @throws ERR_CONFIGURATION
 */
export function socketProxy(options: SocketProxyOptions, observer?: SocketObserver): SocketProxy {
  const settings = socketProxySettings(options)
  const { mount, heartbeatMs, maxMessageBytes } = settings
  const limiter = connectionLimiter(settings.maxSocketsPerLogin)
  const upgrades = upgradeRate(settings.maxUpgradesPerMinute)
  const limits = { plain: { extensions: false, maxMessageBytes }, extended: { extensions: true, maxMessageBytes } }
  const agent = socketAgent(Math.min(settings.handshakeTimeoutMs, connectMs))
  const heartbeats = heartbeat(heartbeatMs)
  const sockets = new Set<ProxiedSocket>()
  let isClosing = false
  /** Of the first principal without `onEnd`. */
  let sharedTokens: TokenSource | undefined
  let onEmpty = (): void => {}

  async function handleUpgrade(
    request: IncomingMessage,
    browser: Duplex,
    head: Buffer,
    authenticate: Authenticate,
  ): Promise<void> {
    const proxied = new ProxiedSocket(limiter, closed)
    sockets.add(proxied)
    const client = watchPendingClient(browser, head, () => proxied.abortHandshake(browserLeft))
    const timeout = httpError('ERR_TENANT_TIMEOUT', 'Try again later.')
    const timer = setTimeout(() => proxied.abortHandshake(timeout), settings.handshakeTimeoutMs)
    try {
      const tenantSocket = await openInTime(request, proxied, authenticate)
      openTunnel(request, proxied, browser, client.release(), tenantSocket)
    } catch (error) {
      client.release()
      proxied.release()
      remove(proxied)
      if (error === browserLeft) {
        browser.destroy()
      } else {
        const traceId = traceIdOf(request)
        emit(refused(request, error, traceId), request)
        refuseUpgrade(browser, error, traceId)
      }
    } finally {
      clearTimeout(timer)
    }
  }

  /** Stops waiting when the handshake is aborted; a tenant socket that opens later is destroyed. */
  async function openInTime(
    request: IncomingMessage,
    proxied: ProxiedSocket,
    authenticate: Authenticate,
  ): Promise<TenantSocket> {
    const { handshake } = proxied
    handshake.throwIfAborted()
    const opening = open(request, proxied, authenticate)
    try {
      const tenantSocket = await unlessAborted(opening, handshake)
      handshake.throwIfAborted()
      return tenantSocket
    } catch (error) {
      opening.then(({ socket }) => socket.destroy()).catch(() => {})
      throw error
    }
  }

  /** Checks in the order of their cost: first the request, then the login, then the tenant. */
  async function open(
    request: IncomingMessage,
    proxied: ProxiedSocket,
    authenticate: Authenticate,
  ): Promise<TenantSocket> {
    if (isClosing) throw httpError('ERR_CLOSING', 'Connect again in a moment.')
    checkUpgrade(request)
    const target = socketTarget(requestTarget(request), mount)
    if (sockets.size > settings.maxSockets) throw httpError('ERR_TOO_MANY_SOCKETS', 'Try again later.')

    const { handshake: signal } = proxied
    const principal = await authenticate(request)
    if (principal === undefined) throw new QlikOAuthError('ERR_LOGIN_REQUIRED', 'Not authenticated')
    requireOrigin(request, settings.publicOrigin)
    signal.throwIfAborted()
    proxied.identity = identityOf(target.appId, principal, settings.clientAddress(request), traceIdOf(request))
    const login = principal.id ?? settings.limitNetwork(request)
    const retryAfterSeconds = upgrades.count(login)
    if (retryAfterSeconds !== undefined)
      throw httpError('ERR_TOO_MANY_LOGIN_UPGRADES', 'Too many sockets were opened.', { retryAfterSeconds })
    if (principal.onEnd === undefined) watchMissingEnd(principal)
    proxied.bind(principal, login)
    signal.throwIfAborted()

    const { tokens } = principal
    const path = target.path(tokens.tenant)
    const response = await withAccessToken(
      tokens,
      accessToken => {
        signal.throwIfAborted()
        return agent.open({ tokens, path, headers: request.headers, accessToken, signal })
      },
      { isRejected: received => received instanceof QlikOAuthError && received.status === 401, signal },
    )
    if (response instanceof QlikOAuthError) throw response
    return response
  }

  function openTunnel(
    request: IncomingMessage,
    proxied: ProxiedSocket,
    browser: Duplex,
    early: Buffer,
    tenantSocket: TenantSocket,
  ): void {
    const { socket: tenant, head, headers } = tenantSocket
    acceptUpgrade(browser, headers, proxied.setCookie())
    for (const socket of [browser, tenant]) prepareForFrames(socket, heartbeatMs)
    const tunnel = new Tunnel({
      browser,
      tenant,
      limits: headers['sec-websocket-extensions'] === undefined ? limits.plain : limits.extended,
      heartbeatMs,
      stallMs,
      listener: proxied,
    })
    proxied.opened(tunnel)
    heartbeats.add(tunnel)
    if (proxied.identity !== undefined) emit({ type: 'opened', ...proxied.identity }, request)
    tunnel.start({ browser: early, tenant: head })
  }

  function closed(proxied: ProxiedSocket, end: TunnelEnd, traffic: SocketTraffic): void {
    if (proxied.tunnel !== undefined) heartbeats.remove(proxied.tunnel)
    remove(proxied)
    const { identity, durationMs } = proxied
    if (identity !== undefined) emit({ type: 'closed', ...identity, ...end, durationMs, ...traffic })
  }

  /** A machine or a visitor has no login that could end; a user has. */
  function watchMissingEnd({ id, user, tokens }: Principal): void {
    sharedTokens ??= tokens
    if (id === undefined && user === undefined && tokens === sharedTokens) return
    observer?.warn(
      'The principals that authenticate returns have no onEnd: their sockets stay open after the login has ended. Add onEnd, or use fromMiddleware.',
    )
  }

  function remove(proxied: ProxiedSocket): void {
    sockets.delete(proxied)
    if (sockets.size === 0) onEmpty()
  }

  function emit(event: SocketEvent, request?: IncomingMessage): void {
    callApplication(() => settings.onEvent?.(event))
    observer?.socket(event, request)
  }

  return {
    upgrade(request, socket, head, authenticate = settings.authenticate) {
      void handleUpgrade(request, socket, head, authenticate)
    },
    async close({ graceMs }) {
      isClosing = true
      for (const proxied of sockets) proxied.shutDown(graceMs)
      if (sockets.size === 0) return
      await new Promise<void>(resolve => {
        const previous = onEmpty
        onEmpty = () => {
          previous()
          resolve()
        }
      })
    },
  }
}

function identityOf(
  appId: string,
  { id, user }: Principal,
  address: string | undefined,
  traceId: string,
): SocketIdentity {
  return {
    appId,
    ...(id === undefined ? {} : { login: id }),
    ...(user === undefined ? {} : { user }),
    ...(address === undefined ? {} : { address }),
    traceId,
  }
}

function refused({ url = '' }: IncomingMessage, error: unknown, traceId: string): SocketRefused {
  const { code, status, message } = describeError(error)
  const [path = ''] = url.split('?', 1)
  return { type: 'refused', code, status, path, traceId, message }
}

const browserLeft = Symbol('the browser left')
const stallMs = 300_000
const connectMs = 10_000

/** No idle timeout, no delay for small frames, and TCP keep-alive to notice dead peers. */
function prepareForFrames(socket: Duplex, keepAliveMs: number): void {
  if (socket instanceof Socket) socket.setTimeout(0).setNoDelay(true).setKeepAlive(true, keepAliveMs)
}
