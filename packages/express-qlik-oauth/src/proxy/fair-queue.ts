import type { QlikOAuthError } from 'qlik-oauth'
import { httpError } from '../http/error-response.ts'

/** Something that waits for its turn. */
export interface Turn {
  /** Called when it may begin, possibly during `enter`. */
  begin(): void
}

export interface FairQueueOptions {
  /** Turns under way at the same time. */
  readonly concurrent: number
  /** Turns of one login, under way and waiting. */
  readonly perLogin: number
  /** Turns that may wait, of all logins together. */
  readonly waiting: number
}

/** The turns of one login. */
export interface Lane {
  readonly login: string
  running: number
  readonly waiting: Turn[]
}

/**
 * Admits requests to one tenant so that no login can take all connections.
 *
 * A login has at most half of the connections; what it asks beyond that waits for its own requests to end. Free
 * connections go to the waiting logins in turn.
 */
export class FairQueue {
  readonly #options: FairQueueOptions
  readonly #share: number
  readonly #lanes = new Map<string, Lane>()
  /** Lanes with waiting turns, the one to be served next first. */
  readonly #queue = new Set<Lane>()
  #maxLanes = minLanes
  #running = 0
  #waiting = 0

  constructor(options: FairQueueOptions) {
    this.#options = options
    this.#share = Math.max(1, Math.min(options.perLogin, Math.floor(options.concurrent / 2)))
  }

  /**
   * Begins the turn at once, or when its login and the tenant have room.
   *
   * @returns To be passed to `leave`.
   * @throws ERR_TOO_MANY_LOGIN_REQUESTS, ERR_TENANT_BUSY
   */
  enter(login: string, turn: Turn): Lane {
    const lane = this.#lanes.get(login) ?? this.#open(login)
    if (lane.running < this.#share && lane.waiting.length === 0 && this.#running < this.#options.concurrent) {
      this.#begin(lane, turn)
      return lane
    }
    if (lane.running + lane.waiting.length >= this.#options.perLogin) throw tooManyRequests()
    if (this.#waiting >= this.#options.waiting) throw busy()
    lane.waiting.push(turn)
    this.#waiting += 1
    if (lane.running < this.#share) this.#queue.add(lane)
    return lane
  }

  /** Ends a turn, or takes it out of the queue; every turn that entered leaves once. */
  leave(lane: Lane, turn: Turn): void {
    const place = lane.waiting.indexOf(turn)
    if (place >= 0) {
      lane.waiting.splice(place, 1)
      this.#waiting -= 1
      if (lane.waiting.length === 0) this.#queue.delete(lane)
    } else {
      lane.running -= 1
      this.#running -= 1
      if (lane.waiting.length > 0) this.#queue.add(lane)
      if (this.#queue.size > 0) this.#next()
    }
    if (this.#lanes.size > this.#maxLanes) this.#sweep()
  }

  /** Idle lanes stay for a while: most logins come back soon. */
  #sweep(): void {
    for (const [login, { running, waiting }] of this.#lanes)
      if (running === 0 && waiting.length === 0) this.#lanes.delete(login)
    this.#maxLanes = Math.max(minLanes, this.#lanes.size * 2)
  }

  #open(login: string): Lane {
    const lane: Lane = { login, running: 0, waiting: [] }
    this.#lanes.set(login, lane)
    return lane
  }

  #begin(lane: Lane, turn: Turn): void {
    lane.running += 1
    this.#running += 1
    turn.begin()
  }

  #next(): void {
    const [lane] = this.#queue
    if (lane === undefined || this.#running >= this.#options.concurrent) return
    this.#queue.delete(lane)
    const turn = lane.waiting.shift()
    if (turn === undefined) return
    this.#waiting -= 1
    // Behind the other logins that wait.
    if (lane.waiting.length > 0 && lane.running + 1 < this.#share) this.#queue.add(lane)
    this.#begin(lane, turn)
  }
}

const minLanes = 1000

export function busy(): QlikOAuthError {
  return httpError('ERR_TENANT_BUSY', 'Too many requests are waiting for the tenant.')
}

export function tooManyRequests(): QlikOAuthError {
  return httpError('ERR_TOO_MANY_LOGIN_REQUESTS', 'Too many requests of this login are in progress.', {
    retryAfterSeconds: 1,
  })
}
