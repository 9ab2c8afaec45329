import { setTimeout as delay } from 'node:timers/promises'
import { QlikOAuthError } from '../protocol/errors.ts'
import type { Lock, LoginStore } from './login-store.ts'

export interface Work<T> {
  /**
   * Looks whether the work is done already, by this process or another. Asked before the lock, while waiting for it,
   * and under it.
   */
  lookup(): Promise<T | undefined>
  /** Does the work. One at a time over all processes, as long as the store answers. */
  execute(): Promise<T>
}

export interface SingleFlightOptions {
  readonly store: Pick<LoginStore, 'lock'>
  /**
   * How long the lock outlives a process that died with it. It is renewed while the work goes on, so it may be much
   * shorter than the work.
   */
  readonly leaseMs: number
  /** How long to wait for somebody else's work. */
  readonly waitMs: number
}

/**
 * Does a piece of work once, however many requests and processes want it at the same time: one flight in this process,
 * one lock over all.
 *
 * After a failure everybody is kept from trying again at once, for a second or for as long as the tenant asked.
 *
 * @returns A function that does the work called `key`.
 * @throws ERR_TOKEN_UNAVAILABLE while others fail at it or take too long, with their error as `cause` where it happened
 * in this process; whatever the work throws.
 */
export function singleFlight<T>({
  store,
  leaseMs,
  waitMs,
}: SingleFlightOptions): (key: string, work: Work<T>) => Promise<T> {
  const flights = new Map<string, Promise<T>>()
  /** What went wrong in this process, for as long as it keeps everybody from trying again. */
  const failures = new Map<string, QlikOAuthError>()

  return (key, work) => {
    const flying = flights.get(key)
    if (flying !== undefined) return flying
    const flight = underLock(key, work).finally(() => flights.delete(key))
    flights.set(key, flight)
    return flight
  }

  async function underLock(key: string, work: Work<T>): Promise<T> {
    const deadline = Date.now() + waitMs
    for (let pauseMs = 15; ; pauseMs = Math.min(pauseMs * 1.5, 200)) {
      const done = await work.lookup()
      if (done !== undefined) return done

      const lock = await store.lock(key, leaseMs)
      if (typeof lock === 'object') return await held(key, lock, work)
      if (lock === 'cooling') throw cooling(failures.get(key))
      if (Date.now() > deadline)
        throw new QlikOAuthError(
          'ERR_TOKEN_UNAVAILABLE',
          `Another process has not finished its token request within ${waitMs} ms`,
        )
      await delay(pauseMs * (0.5 + Math.random()))
    }
  }

  async function held(key: string, lock: Lock, work: Work<T>): Promise<T> {
    // A lease that cannot be renewed is no reason to stop: what the work writes is compared with what it started from.
    const renewal = setInterval(() => lock.renew().catch(() => {}), leaseMs / 3)
    let coolMs = 0
    failures.delete(key)
    try {
      return (await work.lookup()) ?? (await work.execute())
    } catch (error) {
      coolMs = coolingMs(error)
      if (coolMs > 0 && error instanceof QlikOAuthError) remember(key, error, coolMs)
      throw error
    } finally {
      clearInterval(renewal)
      await lock.release(coolMs).catch(() => {})
    }
  }

  function remember(key: string, failure: QlikOAuthError, forMs: number): void {
    failures.set(key, failure)
    const forget = () => failures.get(key) === failure && failures.delete(key)
    setTimeout(forget, forMs).unref()
  }
}

/** @param failure Known in the process where the work failed; others know only that it did. */
function cooling(failure: QlikOAuthError | undefined): QlikOAuthError {
  const what = 'The last token request has just failed'
  if (failure === undefined) return new QlikOAuthError('ERR_TOKEN_UNAVAILABLE', what, { retryAfterSeconds: 1 })
  return new QlikOAuthError('ERR_TOKEN_UNAVAILABLE', `${what} (${failure.code}): ${failure.message}`, {
    retryAfterSeconds: failure.retryAfterSeconds ?? 1,
    cause: failure,
  })
}

function coolingMs(error: unknown): number {
  if (!(error instanceof QlikOAuthError) || error.code === 'ERR_SESSION_EXPIRED') return 0
  return Math.min(error.retryAfterSeconds ?? 1, 30) * 1000
}
