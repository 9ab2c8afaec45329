import type { LoginStore, QlikClient, StoreLock } from 'qlik-oauth'
import { internalsOf } from 'qlik-oauth/internal'

export interface DyingProcess {
  readonly store: LoginStore
  readonly client: QlikClient
  /** Operations that were executed. */
  readonly executed: readonly string[]
  /** Operations that were executed although the process died before it had their result. */
  readonly unheard: readonly string[]
  readonly isDead: () => boolean
  /** Resolves at its death. */
  readonly death: Promise<void>
  /** Lets its pending operations fail, so that the timers of this "process" end. */
  bury(): void
}

/**
 * A process that dies at its n-th step: each operation on the store or the tenant has one step before it and one after
 * it. From then on none of its operations is executed, and it gets no result.
 */
export function dyingProcess(store: LoginStore, client: QlikClient, stepsToLive: number): DyingProcess {
  const executed: string[] = []
  const unheard: string[] = []
  let left = stepsToLive
  let die = () => {}
  let bury = () => {}
  const death = new Promise<void>(resolve => {
    die = resolve
  })
  const burial = new Promise<never>((_resolve, reject) => {
    bury = () => reject(new Error('The process is dead'))
  })
  burial.catch(() => {})

  function step(): boolean {
    if (left > 0) {
      left--
      return true
    }
    die()
    return false
  }

  async function operation<T>(name: string, execute: () => Promise<T>): Promise<T> {
    if (!step()) return burial
    executed.push(name)
    const result = await execute()
    if (step()) return result
    unheard.push(name)
    return burial
  }

  function guarded<Parameters extends unknown[], Result>(
    name: string,
    method: (...parameters: Parameters) => Promise<Result>,
  ) {
    return (...parameters: Parameters) => operation(name, () => method(...parameters))
  }

  function guardedLock(lock: StoreLock): StoreLock {
    return {
      // The renewal runs on a timer: it takes part in the death, but is no step towards it.
      renew: () => (left > 0 ? lock.renew() : burial),
      release: guarded('release', lock.release),
    }
  }

  const internals = internalsOf(client)
  const http = { ...internals.http, request: guarded('request', internals.http.request) }
  return {
    executed,
    unheard,
    isDead: () => left === 0,
    death,
    bury,
    store: {
      ...store,
      readLogin: guarded('readLogin', store.readLogin),
      replaceLogin: guarded('replaceLogin', store.replaceLogin),
      endLogin: guarded('endLogin', store.endLogin),
      takeEnded: guarded('takeEnded', store.takeEnded),
      markReported: guarded('markReported', store.markReported),
      renewEndings: guarded('renewEndings', store.renewEndings),
      completeEnding: guarded('completeEnding', store.completeEnding),
      async lock(key, leaseMs) {
        const lock = await operation('lock', () => store.lock(key, leaseMs))
        return typeof lock === 'object' ? guardedLock(lock) : lock
      },
    },
    client: { ...client, [Symbol.for('qlik-oauth.client')]: { ...internals, http } },
  }
}
