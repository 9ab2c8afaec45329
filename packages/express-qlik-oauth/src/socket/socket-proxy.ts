import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { QlikOAuthError } from 'qlik-oauth'
import type { Access, FindAccess } from '../access.ts'
import { newTraceId } from '../error-answer.ts'
import { Refusal } from '../refusal.ts'
import { closing } from './frame.ts'
import { refuse } from './raw-answer.ts'
import { type SocketTarget, socketTarget } from './socket-target.ts'
import { type Splice, type SpliceEnd, splice } from './splice.ts'
import { checkOrigin, checkUpgrade } from './upgrade-request.ts'
import { socketAgent, type UpstreamSocket } from './upstream-socket.ts'
import { waitingBrowser } from './waiting-browser.ts'

export interface SocketProxyOptions {
  readonly access: FindAccess
  /** Origin at which browsers see this application; the `Origin` of an upgrade must equal it. */
  readonly publicUrl: string
  /** @default '/qlik' */
  readonly mount?: string
  /** How long the login store, the token endpoint and the tenant together may take to open a socket. @default 15000 */
  readonly handshakeTimeoutMs?: number
  /** A browser that is silent for so long, or up to twice as long, is pinged; one that does not answer in the same time is given up. @default 25 */
  readonly pingSeconds?: number
  /** Bytes that one message may have on the wire, either way. Messages are not held in memory. @default 134217728 */
  readonly maxMessageBytes?: number
  /** Sockets open at one time, all users together; beyond them upgrades get 503. @default 10000 */
  readonly maxSockets?: number
  readonly onEvent?: (event: SocketEvent) => void
}

/** What happened to a socket, without any secret. */
export type SocketEvent =
  | { readonly type: 'opened'; readonly appId: string }
  | ({ readonly type: 'closed'; readonly appId: string } & SpliceEnd)
  | SocketRefused

/** An upgrade that was not served. */
export interface SocketRefused {
  readonly type: 'refused'
  /** Code of the Refusal or QlikOAuthError, `ERR_INTERNAL` for any other error. */
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
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, find?: FindAccess): boolean
  /** Sockets that are open or being opened. */
  readonly open: number
  /** Refuses new sockets and ends the open ones with close code 1001; those that have not closed after `graceMs` are cut off. */
  close(graceMs: number): Promise<void>
}

/**
 * Proxies the engine's WebSockets, `{mount}/app/{id}`, to the tenant of whoever is logged in.
 *
 * Nobody reaches the tenant without a login and without being a page of this application. A socket ends when its login does, with close code 4006.
 *
 * @throws ERR_CONFIGURATION
 */
export function socketProxy(options: SocketProxyOptions): SocketProxy {
  const { access: findAccess, onEvent } = options
  const mount = mountPath(options.mount ?? '/qlik')
  const origin = originOf(options.publicUrl)
  const handshakeTimeoutMs = positive('handshakeTimeoutMs', options.handshakeTimeoutMs ?? 15_000)
  const pingMs = positive('pingSeconds', options.pingSeconds ?? 25) * 1000
  const maxMessageBytes = positive('maxMessageBytes', options.maxMessageBytes ?? 134_217_728)
  const maxSockets = positive('maxSockets', options.maxSockets ?? 10_000)
  const agent = socketAgent()
  const handshakes = new Set<AbortController>()
  const splices = new Set<Splice>()
  let isClosing = false

  /** Opens the tenant's side, or answers why not. It ends before the conversation begins, so that nothing of the request stays in memory. */
  async function shakeHands(request: IncomingMessage, browser: Duplex, head: Buffer, find: FindAccess): Promise<Conversation | undefined> {
    const handshake = new AbortController()
    const waiting = waitingBrowser(browser, head, () => handshake.abort(browserLeft))
    const timer = setTimeout(() => handshake.abort(new Refusal('ERR_UPSTREAM_HEADERS_TIMEOUT', 'Try again later.')), handshakeTimeoutMs)
    const login = loginWatch(() =>
      handshake.abort(new QlikOAuthError('ERR_SESSION_EXPIRED', 'The login ended while a socket was being opened')),
    )
    handshakes.add(handshake)
    try {
      const opened = await unlessAborted(handshake.signal, open(request, find, handshake.signal, login.follow))
      return begin(browser, waiting.take(), opened, login)
    } catch (error) {
      waiting.take()
      login.leave()
      if (error === browserLeft) {
        browser.destroy()
      } else {
        const traceId = newTraceId()
        tell(refused(request, error, traceId))
        refuse(browser, error, traceId)
      }
      return undefined
    } finally {
      clearTimeout(timer)
      handshakes.delete(handshake)
    }
  }

  function begin(browser: Duplex, early: Buffer, { access, target, upstream }: Opened, login: LoginWatch): Conversation {
    browser.write(switchingProtocols(upstream.headers))
    const joined = splice({
      browser: tuned(browser, pingMs),
      tenant: tuned(upstream.socket, pingMs),
      extensions: upstream.headers['sec-websocket-extensions'] !== undefined,
      maxMessageBytes,
      pingMs,
      onActivity: () => access.active?.(),
    })
    splices.add(joined)
    login.onEnd = () => joined.close(loginEnded, done, partingMs)
    tell({ type: 'opened', appId: target.appId })
    joined.begin({ browser: early, tenant: upstream.head })
    return { joined, login, appId: target.appId }
  }

  async function converse({ joined, login, appId }: Conversation): Promise<void> {
    const end = await joined.closed
    splices.delete(joined)
    login.leave()
    tell({ type: 'closed', appId, ...end })
  }

  /** The checks in the order in which they cost: nothing is asked of the store before the request is well-formed, nor of the tenant before it is allowed. */
  async function open(request: IncomingMessage, find: FindAccess, signal: AbortSignal, follow: (access: Access) => void): Promise<Opened> {
    if (isClosing) throw new Refusal('ERR_CLOSING', 'Connect again in a moment.')
    checkUpgrade(request)
    const target = socketTarget(request.url ?? '', mount)
    if (splices.size + handshakes.size > maxSockets) throw new Refusal('ERR_TOO_MANY_SOCKETS', 'Try again later.')

    const access = await find(request)
    if (access === undefined) throw new QlikOAuthError('ERR_LOGIN_REQUIRED', 'An upgrade came without a login')
    checkOrigin(request, origin)
    signal.throwIfAborted()
    follow(access)
    return { access, target, upstream: await openUpstream(access, target, request.headers, signal) }
  }

  /** With one more attempt when the tenant rejects a token that looked fresh. */
  async function openUpstream(
    { tokens }: Access,
    target: SocketTarget,
    headers: IncomingHttpHeaders,
    signal: AbortSignal,
  ): Promise<UpstreamSocket> {
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
      if (!(error instanceof Refusal) || error.code !== 'ERR_UPSTREAM_STATUS' || error.status !== 401) throw error
      return await attempt(await tokens.accessToken({ rejected: accessToken, signal }))
    }
  }

  function tell(event: SocketEvent): void {
    try {
      onEvent?.(event)
    } catch {
      // Whoever listens must not be able to end other people's sockets.
    }
  }

  return {
    upgrade(request, socket, head, find = findAccess) {
      if (!isBelow(request.url ?? '', mount)) return false
      void shakeHands(request, socket, head, find).then(conversation => conversation && converse(conversation))
      return true
    },
    get open() {
      return splices.size + handshakes.size
    },
    async close(graceMs) {
      isClosing = true
      for (const handshake of handshakes) handshake.abort(new Refusal('ERR_CLOSING', 'Connect again in a moment.'))
      for (const joined of splices) joined.close(goingAway, goingAway, graceMs)
      await Promise.all([...splices].map(joined => joined.closed))
    },
  }
}

function refused({ url = '' }: IncomingMessage, error: unknown, traceId: string): SocketRefused {
  const { code, status } = error instanceof Refusal || error instanceof QlikOAuthError ? error : { code: 'ERR_INTERNAL', status: 500 }
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

interface Opened {
  readonly access: Access
  readonly target: SocketTarget
  readonly upstream: UpstreamSocket
}

/** A pair of connections, for as long as it lasts. */
interface Conversation {
  readonly joined: Splice
  readonly login: LoginWatch
  readonly appId: string
}

const browserLeft = Symbol('the browser left')
const done = closing(1000, '')
const loginEnded = closing(4006, 'the login has ended')
const goingAway = closing(1001, 'the server is shutting down')
/** A login that ended must not be used for longer than a second, so neither side gets longer to answer. */
const partingMs = 800

interface LoginWatch {
  /** What the end of the login means changes when the handshake is done. */
  onEnd: () => void
  follow(access: Access): void
  leave(): void
}

function loginWatch(onEnd: () => void): LoginWatch {
  let leave: (() => void) | undefined
  const watch: LoginWatch = {
    onEnd,
    follow(access) {
      leave = access.onEnd?.(() => watch.onEnd())
    },
    leave: () => leave?.(),
  }
  return watch
}

/** Waits for work no longer than until the signal; an upstream socket that comes too late is not left open. */
async function unlessAborted(signal: AbortSignal, work: Promise<Opened>): Promise<Opened> {
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  try {
    const opened = await Promise.race([work, aborted])
    signal.throwIfAborted()
    return opened
  } catch (error) {
    work.then(({ upstream }) => upstream.socket.destroy()).catch(() => {})
    throw error
  }
}

function switchingProtocols(headers: IncomingHttpHeaders): string {
  const passed = ['sec-websocket-accept', 'sec-websocket-extensions', 'sec-websocket-protocol']
  const lines = passed.flatMap(name => (headers[name] === undefined ? [] : [`${name}: ${String(headers[name])}\r\n`]))
  return `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n${lines.join('')}\r\n`
}

/** Sets a socket up for frames instead of requests: no idle timeout, no waiting for more to send, and dead peers noticed. */
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
