import { setTimeout as delay } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { QlikOAuthError } from '../protocol/errors.ts'
import type { LoginStore, StoreLock } from './login-store.ts'

export interface SingleFlightTask<T> {
  /**
   * Returns the result when this process or another has it already. Called before, while waiting for, and under the
   * lock.
   */
  lookup(): Promise<T | undefined>
  /** Produces the result. One execution at a time over all processes, as long as the store responds. */
  execute(): Promise<T>
}

export interface SingleFlightOptions {
  readonly store: Pick<LoginStore, 'lock'>
  /**
   * How long the lock outlives a process that died while holding it. The lease is renewed during the execution, so it
   * may be much shorter than that.
   */
  readonly leaseMs: number
  /** How long to wait for an execution in another process. */
  readonly waitMs: number
}

/**
 * Executes a task once, however many requests and processes ask for its result at the same time: one execution in
 * flight in this process, one lock over all processes.
 *
 * After a failure there is a backoff over all processes: a second, or as long as the tenant asked for, 30 seconds at
 * most.
 *
 * @returns A function that gets the result of the task named `key`.
 * @throws ERR_TOKEN_UNAVAILABLE during a backoff, with the failure as `cause` in the process where it happened, and
 * after `waitMs`; whatever the task throws.
 */
export function singleFlight<T>({
  store,
  leaseMs,
  waitMs,
}: SingleFlightOptions): (key: string, task: SingleFlightTask<T>) => Promise<T> {
  const inFlight = new Map<string, Promise<T>>()
  /** Failures in this process, for the time of their backoff. */
  const failures = new LRUCache<string, QlikOAuthError>({ max: 1000 })

  return (key, task) => {
    const running = inFlight.get(key)
    if (running !== undefined) return running
    const started = acquireAndRun(key, task).finally(() => inFlight.delete(key))
    inFlight.set(key, started)
    return started
  }

  async function acquireAndRun(key: string, task: SingleFlightTask<T>): Promise<T> {
    const deadline = Date.now() + waitMs
    for (let pauseMs = 15; ; pauseMs = Math.min(pauseMs * 1.5, 200)) {
      const result = await task.lookup()
      if (result !== undefined) return result

      const lock = await store.lock(key, leaseMs)
      if (typeof lock === 'object') return await runUnderLock(key, lock, task)
      if (lock === 'backoff') throw backoffError(failures.get(key))
      if (Date.now() > deadline)
        throw new QlikOAuthError(
          'ERR_TOKEN_UNAVAILABLE',
          `Another process did not finish its token request within ${waitMs} ms`,
        )
      await delay(pauseMs * (0.5 + Math.random()))
    }
  }

  async function runUnderLock(key: string, lock: StoreLock, task: SingleFlightTask<T>): Promise<T> {
    // The execution goes on when the lease cannot be renewed: its write is compared with the version it started from.
    const renewal = setInterval(() => lock.renew().catch(() => {}), leaseMs / 3)
    let backoffMs = 0
    failures.delete(key)
    try {
      return (await task.lookup()) ?? (await task.execute())
    } catch (error) {
      backoffMs = backoffAfter(error)
      if (backoffMs > 0 && error instanceof QlikOAuthError) failures.set(key, error, { ttl: backoffMs })
      throw error
    } finally {
      clearInterval(renewal)
      await lock.release(backoffMs).catch(() => {})
    }
  }
}

/** @param failure Known only in the process where the task failed. */
function backoffError(failure: QlikOAuthError | undefined): QlikOAuthError {
  const message = 'The last token request failed a moment ago'
  if (failure === undefined) return new QlikOAuthError('ERR_TOKEN_UNAVAILABLE', message, { retryAfterSeconds: 1 })
  return new QlikOAuthError('ERR_TOKEN_UNAVAILABLE', `${message} (${failure.code}): ${failure.message}`, {
    retryAfterSeconds: failure.retryAfterSeconds ?? 1,
    cause: failure,
  })
}

/** Milliseconds; 0 after an error that a retry cannot cause again. */
function backoffAfter(error: unknown): number {
  if (!(error instanceof QlikOAuthError) || error.code === 'ERR_SESSION_EXPIRED') return 0
  return Math.min(error.retryAfterSeconds ?? 1, 30) * 1000
}
