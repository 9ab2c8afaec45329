import { QlikOAuthError } from 'qlik-oauth'
import type { ConnectionLimiter } from '../http/connection-limiter.ts'
import { httpError } from '../http/http-error.ts'
import type { Principal } from '../http/principal.ts'
import { type ControlFrame, closing } from './frame.ts'
import type { Tunnel, TunnelEnd, TunnelListener } from './tunnel.ts'

/** Hears of the end of a conversation that had begun. */
export type ProxiedSocketClosed = (conversation: ProxiedSocket, end: TunnelEnd) => void

/**
 * A socket from its upgrade to its end: what must happen to it when its login ends or the server does.
 *
 * A class, against the habit of this house: it stays as long as the socket, and keeps nothing of the upgrade.
 */
export class ProxiedSocket implements TunnelListener {
  readonly #seats: ConnectionLimiter
  readonly #ended: ProxiedSocketClosed
  /** Until the conversation begins. */
  #handshake: AbortController | undefined = new AbortController()
  #splice: Tunnel | undefined
  #access: Principal | undefined
  #seat: string | undefined
  #stopFollowing: (() => void) | undefined
  appId = ''

  constructor(seats: ConnectionLimiter, ended: ProxiedSocketClosed) {
    this.#seats = seats
    this.#ended = ended
  }

  /** Aborted when the handshake is not to go on, with the reason. */
  get handshake(): AbortSignal {
    return this.#handshake?.signal ?? AbortSignal.abort()
  }

  get splice(): Tunnel | undefined {
    return this.#splice
  }

  /**
   * Ties the socket to a login.
   *
   * @throws ERR_TOO_MANY_LOGIN_SOCKETS
   */
  follow(access: Principal): void {
    const { id } = access
    if (id !== undefined && !this.#seats.acquire(id))
      throw httpError('ERR_TOO_MANY_LOGIN_SOCKETS', 'Close sockets that are not needed any more.')
    this.#seat = id
    this.#access = access
    this.#stopFollowing = access.onEnd?.(() => this.#loginEnded())
  }

  begin(splice: Tunnel): void {
    this.#splice = splice
    this.#handshake = undefined
  }

  /** Refuses the upgrade that is under way, for this reason. */
  giveUp(reason: unknown): void {
    this.#handshake?.abort(reason)
  }

  /** Ends the conversation because the server does. */
  goAway(graceMs: number): void {
    this.giveUp(httpError('ERR_CLOSING', 'Connect again in a moment.'))
    this.#splice?.close(goingAway, goingAway, graceMs)
  }

  active(): void {
    harmless(() => this.#access?.active?.())
  }

  closed(end: TunnelEnd): void {
    this.leave()
    this.#ended(this, end)
  }

  /** Unties the socket from its login. */
  leave(): void {
    if (this.#seat !== undefined) this.#seats.release(this.#seat)
    this.#seat = undefined
    harmless(() => this.#stopFollowing?.())
    this.#stopFollowing = undefined
  }

  #loginEnded(): void {
    this.giveUp(new QlikOAuthError('ERR_SESSION_EXPIRED', 'The login ended while a socket was being opened'))
    this.#splice?.close(loginEnded, done, partingMs)
  }
}

/** Calls what belongs to the application: it must not be able to end other people's sockets. */
export function harmless(call: () => void): void {
  try {
    call()
  } catch {
    // The application's own business.
  }
}

const done: ControlFrame = closing(1000, '')
const loginEnded: ControlFrame = closing(4006, 'the login has ended')
const goingAway: ControlFrame = closing(1001, 'the server is shutting down')
/** A login that ended must not be used for longer than a second, so neither side gets longer to answer. */
const partingMs = 800
