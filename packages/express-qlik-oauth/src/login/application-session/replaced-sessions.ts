import { setTimeout as delay } from 'node:timers/promises'
import type { LoginStore } from 'qlik-oauth'
import { sha256 } from 'qlik-oauth/internal'

/**
 * Tells a session that a login replaced from one that the application destroyed: of two tabs that log in at the same
 * time, the first destroys the session of the other.
 */
export interface ReplacedSessions {
  /** Call it before the session is destroyed. @throws ERR_STORE_UNAVAILABLE */
  add(sessionId: string): Promise<void>
  /** @throws ERR_STORE_UNAVAILABLE */
  has(sessionId: string): Promise<boolean>
}

/** The mark is a lock that is released with a backoff: it is set and read in every process. */
export function replacedSessions(store: Pick<LoginStore, 'lock'>): ReplacedSessions {
  /** Releases the lock, or finds that the session has its mark. */
  async function visit(sessionId: string, backoffMs: number): Promise<boolean> {
    for (;;) {
      const lock = await store.lock(sha256(`replaced session ${sessionId}`), leaseMs)
      if (lock === 'backoff') return true
      if (lock !== 'held') {
        await lock.release(backoffMs)
        return false
      }
      await delay(10)
    }
  }

  return {
    async add(sessionId) {
      await visit(sessionId, markedMs)
    },
    has: sessionId => visit(sessionId, 0),
  }
}

/** A process that dies between the two steps holds up the others for this long. */
const leaseMs = 1000
/** Longer than a token request and a hook of the application. */
const markedMs = 120_000
