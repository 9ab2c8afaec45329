import { LRUCache } from 'lru-cache'
import type { QlikOAuthError } from 'qlik-oauth'
import { httpError } from '../http/response/error-response.ts'

/** A request in the queue. */
export interface QueuedRequest {
  /** Called when the request has a slot, possibly during `acquire`. */
  start(): void
}

export interface FairQueueOptions {
  /** Requests in progress at the same time. */
  readonly concurrent: number
  /** Requests of one login, in progress and waiting. */
  readonly perLogin: number
  /** Requests that may wait, of all logins together. */
  readonly waiting: number
}

/** The requests of one login, or of one client network. */
export interface LoginQueue {
  readonly limitKey: string
  running: number
  readonly waiting: QueuedRequest[]
}

/**
 * Admits requests to one tenant so that few logins cannot take all connections.
 *
 * A login has at most half of the connections; further requests wait until earlier ones of the same login complete. A
 * quarter of the connections is reserved for logins with no request in progress, so that to fill them takes as many
 * logins. Free connections go to the waiting logins in turn, to those with none in progress first.
 */
export class FairQueue {
  readonly #options: FairQueueOptions
  readonly #share: number
  /** Idle logins are kept and reused, up to a limit. */
  readonly #recent = new LRUCache<string, LoginQueue>({
    max: 1000,
    dispose: (login, limitKey) => {
      if (login.running + login.waiting.length > 0) this.#evicted.set(limitKey, login)
    },
  })
  /** Logins with requests that no longer fit into `#recent`. */
  readonly #evicted = new Map<string, LoginQueue>()
  /** Connections that are open to logins with requests in progress. */
  readonly #unreserved: number
  /** Logins that wait with no request in progress, the one to be served next first. */
  readonly #nextFirst = new Set<LoginQueue>()
  /** Logins with requests in progress, and room for their waiting ones. */
  readonly #nextMore = new Set<LoginQueue>()
  #running = 0
  #waiting = 0

  constructor(options: FairQueueOptions) {
    this.#options = options
    this.#share = Math.max(1, Math.min(options.perLogin, Math.floor(options.concurrent / 2)))
    this.#unreserved = unreserved(options.concurrent)
  }

  /**
   * Starts the request at once, or when its login and the tenant have room.
   *
   * @returns To be passed to `release`.
   * @throws ERR_TOO_MANY_LOGIN_REQUESTS, ERR_TENANT_BUSY
   */
  acquire(limitKey: string, request: QueuedRequest): LoginQueue {
    const login = this.#recent.get(limitKey) ?? this.#evicted.get(limitKey) ?? this.#open(limitKey)
    if (login.waiting.length === 0 && login.running < this.#share && this.#hasRoom(login)) {
      this.#start(login, request)
      return login
    }
    if (login.running + login.waiting.length >= this.#options.perLogin) throw tooManyRequests()
    if (this.#waiting >= this.#options.waiting) throw busy()
    login.waiting.push(request)
    this.#waiting += 1
    this.#await(login)
    return login
  }

  /** Ends a request in progress, or removes one that waits. Every acquired slot is released once. */
  release(login: LoginQueue, request: QueuedRequest): void {
    const position = login.waiting.indexOf(request)
    if (position >= 0) {
      login.waiting.splice(position, 1)
      this.#waiting -= 1
      if (login.waiting.length === 0) this.#leave(login)
    } else {
      login.running -= 1
      this.#running -= 1
      if (login.waiting.length > 0) this.#await(login)
      if (this.#nextFirst.size + this.#nextMore.size > 0) this.#startNext()
    }
    if (this.#evicted.size > 0 && login.running + login.waiting.length === 0) this.#evicted.delete(login.limitKey)
  }

  #open(limitKey: string): LoginQueue {
    const login: LoginQueue = { limitKey, running: 0, waiting: [] }
    this.#recent.set(limitKey, login)
    return login
  }

  #start(login: LoginQueue, request: QueuedRequest): void {
    login.running += 1
    this.#running += 1
    // Behind the other logins that wait.
    if (login.waiting.length > 0) this.#await(login)
    request.start()
  }

  #hasRoom({ running }: LoginQueue): boolean {
    return this.#running < (running === 0 ? this.#options.concurrent : this.#unreserved)
  }

  /** Keeps the place of a login that waits already. */
  #await(login: LoginQueue): void {
    if (login.running > 0) {
      if (login.running < this.#share) this.#nextMore.add(login)
      return
    }
    this.#nextMore.delete(login)
    this.#nextFirst.add(login)
  }

  #leave(login: LoginQueue): void {
    this.#nextFirst.delete(login)
    this.#nextMore.delete(login)
  }

  #startNext(): void {
    const [first] = this.#nextFirst
    const [more] = this.#nextMore
    const login = first ?? more
    if (login === undefined || !this.#hasRoom(login)) return
    this.#leave(login)
    const request = login.waiting.shift()
    if (request === undefined) return
    this.#waiting -= 1
    this.#start(login, request)
  }
}

/** The part of the connections, or of the event streams, that is open to those who have some already. */
export function unreserved(connections: number): number {
  return connections - Math.floor(connections / 4)
}

export function busy(): QlikOAuthError {
  return httpError('ERR_TENANT_BUSY', 'Too many requests are waiting for the tenant.')
}

export function tooManyRequests(): QlikOAuthError {
  return httpError('ERR_TOO_MANY_LOGIN_REQUESTS', 'Too many requests of this login are in progress.', {
    retryAfterSeconds: 1,
  })
}
