import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { QlikOAuthError } from 'qlik-oauth'
import { connectionLimiter } from '../http/connection-limiter.ts'
import { newTraceId } from '../http/error-response.ts'
import { httpError } from '../http/http-error.ts'
import type { Authenticate, Principal } from '../http/principal.ts'
import { heartbeat } from './heartbeat.ts'
import { pendingClient } from './pending-client.ts'
import { harmless, ProxiedSocket } from './proxied-socket.ts'
import { type SocketTarget, socketTarget } from './socket-target.ts'
import { socketAgent, type TenantSocket } from './tenant-socket.ts'
import { openTunnel, type TunnelEnd } from './tunnel.ts'
import { checkOrigin, checkUpgrade } from './upgrade-request.ts'
import { refuseUpgrade } from './upgrade-response.ts'

export interface SocketProxyOptions {
  readonly authenticate: Authenticate
  /** Origin at which browsers see this application; the `Origin` of an upgrade must equal it. */
  readonly publicUrl: string
  /** @default '/qlik' */
  readonly mount?: string
  /** How long the login store, the token endpoint and the tenant together may take to open a socket. @default 15000 */
  readonly handshakeTimeoutMs?: number
  /**
   * A browser that is silent for so long, or up to twice as long, is pinged; one that does not answer in the same time
   * is given up.
   *
   * @default 25
   */
  readonly pingSeconds?: number
  /** Bytes that one message may have on the wire, either way. Messages are not held in memory. @default 134217728 */
  readonly maxMessageBytes?: number
  /**
   * Sockets open at one time in this process, all users of the tenant together; beyond them upgrades get 503.
   *
   * @default 10000
   */
  readonly maxSockets?: number
  /**
   * Sockets that one login may have at one time in this process; beyond them upgrades get 429. A page has one for each
   * app it shows. Counts where `access` tells an `id`.
   * @default 100
   */
  readonly maxSocketsPerLogin?: number
  readonly onEvent?: (event: SocketEvent) => void
}

/** What happened to a socket, without any secret. */
export type SocketEvent =
  | { readonly type: 'opened'; readonly appId: string }
  | ({ readonly type: 'closed'; readonly appId: string } & TunnelEnd)
  | SocketRefused

/** An upgrade that was not served. */
export interface SocketRefused {
  readonly type: 'refused'
  /** Code of the QlikOAuthError, `ERR_INTERNAL` for any other error. */
  readonly code: string
  readonly status: number
  /** Without the query. */
  readonly path: string
  /** The one in the answer. */
  readonly traceId: string
  readonly message: string
}

export interface SocketProxy {
  /**
   * Takes an upgrade request below the mount. Never throws.
   *
   * @param find Asked instead of `access`, where the access of a request is known already.
   * @returns Whether it was one; another is left untouched.
   */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, find?: Authenticate): boolean
  /** Sockets that are open or being opened. */
  readonly open: number
  /**
   * Refuses new sockets and ends the open ones with close code 1001; those that have not closed after `graceMs` are cut
   * off.
   */
  close(graceMs: number): Promise<void>
}

/**
 * Proxies the engine's WebSockets, `{mount}/app/{id}`, to the tenant of whoever is logged in.
 *
 * Nobody reaches the tenant without a login and without being a page of this application. A socket ends when its login
 * does, with close code 4006.
 *
 * @throws ERR_CONFIGURATION
 */
export function socketProxy(options: SocketProxyOptions): SocketProxy {
  const { authenticate: findAccess, onEvent } = options
  const mount = mountPath(options.mount ?? '/qlik')
  const origin = originOf(options.publicUrl)
  const handshakeTimeoutMs = positive('handshakeTimeoutMs', options.handshakeTimeoutMs ?? 15_000)
  const pingMs = positive('pingSeconds', options.pingSeconds ?? 25) * 1000
  const maxMessageBytes = positive('maxMessageBytes', options.maxMessageBytes ?? 134_217_728)
  const maxSockets = positive('maxSockets', options.maxSockets ?? 10_000)
  const places = connectionLimiter(positive('maxSocketsPerLogin', options.maxSocketsPerLogin ?? 100))
  const limits = { plain: { extensions: false, maxMessageBytes }, extended: { extensions: true, maxMessageBytes } }
  const agent = socketAgent()
  const pings = heartbeat(pingMs)
  const conversations = new Set<ProxiedSocket>()
  let isClosing = false
  let emptied = (): void => {}

  /**
   * Opens the tenant's side, or answers why not. What is kept of a conversation that begins keeps nothing of its
   * request.
   */
  async function converse(request: IncomingMessage, browser: Duplex, head: Buffer, find: Authenticate): Promise<void> {
    const conversation = new ProxiedSocket(places, ended)
    conversations.add(conversation)
    const { handshake } = conversation
    const waiting = pendingClient(browser, head, () => conversation.giveUp(browserLeft))
    const timer = setTimeout(
      () => conversation.giveUp(httpError('ERR_TENANT_TIMEOUT', 'Try again later.')),
      handshakeTimeoutMs,
    )
    try {
      const upstream = await unlessAborted(handshake, () => open(request, find, conversation))
      begin(conversation, browser, waiting.take(), upstream)
    } catch (error) {
      waiting.take()
      conversation.leave()
      remove(conversation)
      if (error === browserLeft) {
        browser.destroy()
      } else {
        const traceId = newTraceId()
        tell(refused(request, error, traceId))
        refuseUpgrade(browser, error, traceId)
      }
    } finally {
      clearTimeout(timer)
    }
  }

  function begin(
    conversation: ProxiedSocket,
    browser: Duplex,
    early: Buffer,
    { socket, head, headers }: TenantSocket,
  ): void {
    browser.write(switchingProtocols(headers))
    const joined = openTunnel({
      browser: tuned(browser, pingMs),
      tenant: tuned(socket, pingMs),
      limits: headers['sec-websocket-extensions'] === undefined ? limits.plain : limits.extended,
      listener: conversation,
    })
    conversation.begin(joined)
    pings.add(joined)
    tell({ type: 'opened', appId: conversation.appId })
    joined.begin({ browser: early, tenant: head })
  }

  function ended(conversation: ProxiedSocket, end: TunnelEnd): void {
    if (conversation.splice !== undefined) pings.remove(conversation.splice)
    remove(conversation)
    tell({ type: 'closed', appId: conversation.appId, ...end })
  }

  function remove(conversation: ProxiedSocket): void {
    conversations.delete(conversation)
    if (conversations.size === 0) emptied()
  }

  /**
   * The checks in the order in which they cost: nothing is asked of the store before the request is well-formed, nor of
   * the tenant before it is allowed.
   */
  async function open(
    request: IncomingMessage,
    find: Authenticate,
    conversation: ProxiedSocket,
  ): Promise<TenantSocket> {
    if (isClosing) throw httpError('ERR_CLOSING', 'Connect again in a moment.')
    checkUpgrade(request)
    const target = socketTarget(request.url ?? '', mount)
    if (conversations.size > maxSockets) throw httpError('ERR_TOO_MANY_SOCKETS', 'Try again later.')

    const { handshake } = conversation
    const access = await find(request)
    if (access === undefined) throw new QlikOAuthError('ERR_LOGIN_REQUIRED', 'An upgrade came without a login')
    checkOrigin(request, origin)
    handshake.throwIfAborted()
    conversation.appId = target.appId
    conversation.follow(access)
    handshake.throwIfAborted()
    return await openUpstream(access, target, request.headers, handshake)
  }

  /** With one more attempt when the tenant rejects a token that looked fresh. */
  async function openUpstream(
    { tokens }: Principal,
    target: SocketTarget,
    headers: IncomingHttpHeaders,
    signal: AbortSignal,
  ): Promise<TenantSocket> {
    const attempt = (accessToken: string) => {
      signal.throwIfAborted()
      return agent.open({
        tenant: tokens.tenant,
        path: target.path(tokens.tenant),
        headers,
        accessToken,
        signal,
      })
    }
    const accessToken = await tokens.accessToken({ signal })
    try {
      return await attempt(accessToken)
    } catch (error) {
      if (!(error instanceof QlikOAuthError) || error.code !== 'ERR_TENANT_REFUSED' || error.status !== 401) throw error
      return await attempt(await tokens.accessToken({ rejected: accessToken, signal }))
    }
  }

  function tell(event: SocketEvent): void {
    harmless(() => onEvent?.(event))
  }

  return {
    upgrade(request, socket, head, find = findAccess) {
      if (!isBelow(request.url ?? '', mount)) return false
      void converse(request, socket, head, find)
      return true
    },
    get open() {
      return conversations.size
    },
    async close(graceMs) {
      isClosing = true
      for (const conversation of conversations) conversation.goAway(graceMs)
      if (conversations.size === 0) return
      await new Promise<void>(resolve => {
        const before = emptied
        emptied = () => {
          before()
          resolve()
        }
      })
    },
  }
}

function refused({ url = '' }: IncomingMessage, error: unknown, traceId: string): SocketRefused {
  const { code, status } = error instanceof QlikOAuthError ? error : { code: 'ERR_INTERNAL', status: 500 }
  const [path = ''] = url.split('?', 1)
  return {
    type: 'refused',
    code,
    status,
    path,
    traceId,
    message: error instanceof Error ? error.message : 'Something was thrown that is no error',
  }
}

const browserLeft = Symbol('the browser left')

/** Waits for work no longer than until the signal; an upstream socket that comes too late is not left open. */
async function unlessAborted(signal: AbortSignal, work: () => Promise<TenantSocket>): Promise<TenantSocket> {
  signal.throwIfAborted()
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  const working = work()
  try {
    const upstream = await Promise.race([working, aborted])
    signal.throwIfAborted()
    return upstream
  } catch (error) {
    working.then(({ socket }) => socket.destroy()).catch(() => {})
    throw error
  }
}

function switchingProtocols(headers: IncomingHttpHeaders): string {
  const passed = ['sec-websocket-accept', 'sec-websocket-extensions', 'sec-websocket-protocol']
  const lines = passed.flatMap(name => (headers[name] === undefined ? [] : [`${name}: ${String(headers[name])}\r\n`]))
  return `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n${lines.join('')}\r\n`
}

/**
 * Sets a socket up for frames instead of requests: no idle timeout, no waiting for more to send, and dead peers
 * noticed.
 */
function tuned(socket: Duplex, keepAliveMs: number): Duplex {
  if (socket instanceof Socket) socket.setTimeout(0).setNoDelay(true).setKeepAlive(true, keepAliveMs)
  return socket
}

function isBelow(url: string, mount: string): boolean {
  return url.startsWith(mount) && /^[/?]|^$/.test(url.slice(mount.length))
}

function mountPath(mount: string): string {
  if (/^(?:\/[\w.~-]+)+$/.test(mount)) return mount
  throw new QlikOAuthError('ERR_CONFIGURATION', `mount must be a path such as "/qlik", got ${JSON.stringify(mount)}.`)
}

function originOf(publicUrl: string): string {
  if (URL.canParse(publicUrl)) return new URL(publicUrl).origin
  throw new QlikOAuthError(
    'ERR_CONFIGURATION',
    `publicUrl must be an origin such as "https://app.example.com", got ${JSON.stringify(publicUrl)}.`,
  )
}

function positive(name: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value
  throw new QlikOAuthError('ERR_CONFIGURATION', `${name} must be a number above 0, got ${JSON.stringify(value)}.`)
}
