import type { LoginEnding, LoginRecord, LoginStore } from '../stores/login-store.ts'

export interface EndingSweepOptions {
  readonly store: LoginStore
  /** Whether this process can revoke the tokens of the login. */
  readonly accepts: (record: LoginRecord) => boolean
  readonly report: (ending: LoginEnding) => void
  readonly revoke: (ending: LoginEnding) => Promise<void>
  /** Longer than `intervalMs`: each sweep renews the leases of what waits to be revoked. */
  readonly leaseMs: number
  /** The longest pause between two sweeps; the pauses vary, so that the processes take turns. */
  readonly intervalMs: number
}

/**
 * Ends logins at their idle and absolute end although no request comes, also those that other processes created, and
 * completes the endings of processes that died.
 *
 * @returns A function that stops the sweeps, and resolves when the tokens of all logins that were taken are revoked.
 */
export function endingSweep(options: EndingSweepOptions): () => Promise<void> {
  const { store, accepts, report, revoke, leaseMs, intervalMs } = options
  const waiting: LoginEnding[] = []
  /** Endings that wait, or whose tokens are being revoked. */
  const held = new Map<string, LoginEnding>()
  const workers = new Set<Promise<void>>()
  let sweeping: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  async function sweep(): Promise<void> {
    if (held.size > 0) await store.renewEndings([...held.values()], leaseMs).catch(() => {})
    // A store that is unavailable is asked again at the next sweep.
    for (const ending of await store.takeEnded(accepts, leaseMs).catch(() => [])) {
      if (held.has(ending.id)) continue
      report(ending)
      held.set(ending.id, ending)
      waiting.push(ending)
    }
    // A tenant that does not respond holds up the revocations, not the sweeps.
    while (workers.size < Math.min(maxConcurrent, waiting.length)) {
      const worker: Promise<void> = completeAll().finally(() => workers.delete(worker))
      workers.add(worker)
    }
  }

  async function completeAll(): Promise<void> {
    for (let ending = waiting.shift(); ending !== undefined; ending = waiting.shift()) {
      await revoke(ending)
      await store.completeEnding(ending).catch(() => {})
      held.delete(ending.id)
    }
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
