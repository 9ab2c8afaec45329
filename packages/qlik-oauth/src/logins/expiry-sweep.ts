import type { ExpiredLogin, LoginRecord, LoginStore } from '../stores/login-store.ts'

export interface ExpirySweepOptions {
  readonly store: LoginStore
  /** Whether this process can revoke the tokens of the login. */
  readonly accepts: (record: LoginRecord) => boolean
  /** Called once for each login, in one process. */
  readonly onExpired: (login: ExpiredLogin) => void
  readonly revoke: (login: ExpiredLogin) => Promise<void>
  /** The longest pause between two sweeps; the pauses vary, so that the processes take turns. */
  readonly intervalMs: number
}

/**
 * Ends logins at their idle and absolute end although no request comes, also those that other processes created.
 *
 * @returns A function that stops the sweeps, and resolves when the tokens of all logins that were taken are revoked.
 */
export function expirySweep(options: ExpirySweepOptions): () => Promise<void> {
  const { store, accepts, onExpired, revoke, intervalMs } = options
  const unrevoked: ExpiredLogin[] = []
  const workers = new Set<Promise<void>>()
  let sweeping: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  async function sweep(): Promise<void> {
    // A store that is unavailable is asked again at the next sweep.
    for (const login of await store.takeExpired(accepts).catch(() => [])) {
      onExpired(login)
      unrevoked.push(login)
    }
    // A tenant that does not respond holds up the revocations, not the sweeps.
    while (workers.size < Math.min(maxConcurrent, unrevoked.length)) {
      const worker: Promise<void> = revokeAll().finally(() => workers.delete(worker))
      workers.add(worker)
    }
  }

  async function revokeAll(): Promise<void> {
    for (let login = unrevoked.shift(); login !== undefined; login = unrevoked.shift()) await revoke(login)
  }

  function schedule(): void {
    const pauseMs = intervalMs * (2 / 3 + Math.random() / 3)
    timer = setTimeout(() => {
      sweeping = sweep().finally(() => {
        if (!stopped) schedule()
      })
    }, pauseMs).unref()
  }

  schedule()
  return async () => {
    stopped = true
    clearTimeout(timer)
    await sweeping
    await Promise.all(workers)
  }
}

/** Revocations at the same time. */
const maxConcurrent = 10
