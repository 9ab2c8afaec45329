import { QlikOAuthError } from 'qlik-oauth'
import { callApplication } from '../http/clients/call-application.ts'
import type { ConnectionLimiter } from '../http/clients/connection-limiter.ts'
import type { Principal } from '../http/clients/principal.ts'
import { httpError } from '../http/response/error-response.ts'
import { engineTerminating, goingAway, loginEnded, normalClosure } from './close-codes.ts'
import type { SocketIdentity } from './socket-proxy-options.ts'
import type { SocketTraffic, Tunnel, TunnelEnd, TunnelListener } from './tunnel.ts'

/** Called once, after the tunnel of a socket has closed. */
export type ProxiedSocketClosed = (socket: ProxiedSocket, end: TunnelEnd, traffic: SocketTraffic) => void

/**
 * One socket from its upgrade to its end, tied to its principal. Keeps nothing of the upgrade request after the
 * handshake.
 */
export class ProxiedSocket implements TunnelListener {
  readonly #limiter: ConnectionLimiter
  readonly #onClosed: ProxiedSocketClosed
  /** Until the tunnel opens. */
  #handshake: AbortController | undefined = new AbortController()
  #tunnel: Tunnel | undefined
  #principal: Principal | undefined
  #acquired: string | undefined
  #stopListening: (() => void) | undefined
  #openedAt = 0
  identity: SocketIdentity | undefined

  constructor(limiter: ConnectionLimiter, onClosed: ProxiedSocketClosed) {
    this.#limiter = limiter
    this.#onClosed = onClosed
  }

  /** Aborts when the handshake must not continue; the reason is the error for the browser. */
  get handshake(): AbortSignal {
    return this.#handshake?.signal ?? AbortSignal.abort()
  }

  get durationMs(): number {
    return performance.now() - this.#openedAt
  }

  get tunnel(): Tunnel | undefined {
    return this.#tunnel
  }

  /**
   * Counts the socket for its login, and ends it when the login ends.
   *
   * @param login The key by which the limit counts.
   * @throws ERR_TOO_MANY_LOGIN_SOCKETS
   */
  bind(principal: Principal, login: string): void {
    if (!this.#limiter.acquire(login))
      throw httpError('ERR_TOO_MANY_LOGIN_SOCKETS', 'Close sockets that are no longer needed.')
    this.#acquired = login
    this.#principal = principal
    this.#stopListening = principal.onEnd?.(() => this.#loginEnded())
  }

  /** A cookie for the response to the upgrade. */
  setCookie(): string | undefined {
    let cookie: string | undefined
    callApplication(() => {
      cookie = this.#principal?.setCookie?.()
    })
    return cookie === undefined || /[^\t\x20-\x7e]/.test(cookie) ? undefined : cookie
  }

  opened(tunnel: Tunnel): void {
    this.#tunnel = tunnel
    this.#handshake = undefined
    this.#openedAt = performance.now()
  }

  abortHandshake(reason: unknown): void {
    this.#handshake?.abort(reason)
  }

  /** Ends the socket because the server shuts down. */
  shutDown(graceMs: number): void {
    this.abortHandshake(httpError('ERR_CLOSING', 'Connect again in a moment.'))
    this.#tunnel?.close(engineTerminating, goingAway, graceMs)
  }

  active(): void {
    callApplication(() => this.#principal?.active?.())
  }

  closed(end: TunnelEnd, traffic: SocketTraffic): void {
    this.release()
    this.#onClosed(this, end, traffic)
  }

  /** Undoes `bind`. */
  release(): void {
    if (this.#acquired !== undefined) this.#limiter.release(this.#acquired)
    this.#acquired = undefined
    callApplication(() => this.#stopListening?.())
    this.#stopListening = undefined
  }

  #loginEnded(): void {
    this.abortHandshake(new QlikOAuthError('ERR_SESSION_EXPIRED', 'The login ended during the handshake of a socket'))
    this.#tunnel?.close(loginEnded, normalClosure, loginEndedMs)
  }
}

/** Sockets end within one second of their login. */
const loginEndedMs = 800
