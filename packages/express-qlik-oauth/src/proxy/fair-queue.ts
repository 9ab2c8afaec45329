import { LRUCache } from 'lru-cache'
import type { QlikOAuthError } from 'qlik-oauth'
import { httpError } from '../http/error-response.ts'

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
 * Admits requests to one tenant so that no login can take all connections.
 *
 * A login has at most half of the connections; further requests wait until earlier ones of the same login complete.
 * Free connections go to the waiting logins in turn.
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
  /** Logins with waiting requests and room for them, the one to be served next first. */
  readonly #next = new Set<LoginQueue>()
  #running = 0
  #waiting = 0

  constructor(options: FairQueueOptions) {
    this.#options = options
    this.#share = Math.max(1, Math.min(options.perLogin, Math.floor(options.concurrent / 2)))
  }

  /**
   * Starts the request at once, or when its login and the tenant have room.
   *
   * @returns To be passed to `release`.
   * @throws ERR_TOO_MANY_LOGIN_REQUESTS, ERR_TENANT_BUSY
   */
  acquire(limitKey: string, request: QueuedRequest): LoginQueue {
    const login = this.#recent.get(limitKey) ?? this.#evicted.get(limitKey) ?? this.#open(limitKey)
    if (login.running < this.#share && login.waiting.length === 0 && this.#running < this.#options.concurrent) {
      this.#start(login, request)
      return login
    }
    if (login.running + login.waiting.length >= this.#options.perLogin) throw tooManyRequests()
    if (this.#waiting >= this.#options.waiting) throw busy()
    login.waiting.push(request)
    this.#waiting += 1
    if (login.running < this.#share) this.#next.add(login)
    return login
  }

  /** Ends a request in progress, or removes one that waits. Every acquired slot is released once. */
  release(login: LoginQueue, request: QueuedRequest): void {
    const position = login.waiting.indexOf(request)
    if (position >= 0) {
      login.waiting.splice(position, 1)
      this.#waiting -= 1
      if (login.waiting.length === 0) this.#next.delete(login)
    } else {
      login.running -= 1
      this.#running -= 1
      if (login.waiting.length > 0) this.#next.add(login)
      if (this.#next.size > 0) this.#startNext()
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
    request.start()
  }

  #startNext(): void {
    const [login] = this.#next
    if (login === undefined || this.#running >= this.#options.concurrent) return
    this.#next.delete(login)
    const request = login.waiting.shift()
    if (request === undefined) return
    this.#waiting -= 1
    // Behind the other logins that wait.
    if (login.waiting.length > 0 && login.running + 1 < this.#share) this.#next.add(login)
    this.#start(login, request)
  }
}

export function busy(): QlikOAuthError {
  return httpError('ERR_TENANT_BUSY', 'Too many requests are waiting for the tenant.')
}

export function tooManyRequests(): QlikOAuthError {
  return httpError('ERR_TOO_MANY_LOGIN_REQUESTS', 'Too many requests of this login are in progress.', {
    retryAfterSeconds: 1,
  })
}
