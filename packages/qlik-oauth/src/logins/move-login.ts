import { setTimeout as delay } from 'node:timers/promises'
import { ignoreForeign } from '../stores/foreign-record.ts'
import type { LoginEnding, LoginEndReason, LoginRecord, LoginStore } from '../stores/login-store.ts'
import type { EmitLoginEvent } from './login-events.ts'

export interface MoveOptions {
  readonly store: LoginStore
  readonly emit: EmitLoginEvent
  readonly end: (key: string, reason: LoginEndReason, context?: unknown) => Promise<unknown>
  /** Forgets a login that has left its key, and calls the listeners of its end. */
  readonly left: (key: string) => void
  /** Reports an end and revokes the tokens. */
  readonly abandon: (ending: LoginEnding, context?: unknown) => Promise<void>
  readonly idleSeconds: number
  readonly leaseMs: number
  readonly endingLeaseMs: number
}

/**
 * Continues a login under another key; it ends under the old one. The absolute end stays.
 *
 * @returns A function that moves the login of `from` to `to`. A login that belongs to another user of the application
 * ends. It returns false when there is no login, or it has ended.
 */
export function moveLogins(options: MoveOptions) {
  const { store, emit, end, abandon, left, idleSeconds, leaseMs, endingLeaseMs } = options

  return async (from: string, to: string, applicationUser: string, context?: unknown): Promise<boolean> => {
    const stored = await store.readLogin(from).catch(ignoreForeign)
    if (stored === undefined) return false
    const { applicationUser: owner = applicationUser } = stored.record
    if (owner !== applicationUser) {
      await end(from, 'session_destroyed', context)
      return false
    }
    const allowRefresh = await withoutRefresh(store, from, leaseMs)
    try {
      // If this process dies before the login is written again, another one revokes the tokens.
      const ending = await store.endLogin(from, 'session_destroyed', endingLeaseMs)
      left(from)
      if (ending === undefined) return false
      const record: LoginRecord = { ...ending.record, applicationUser }
      await store.createLogin(to, record, idleSeconds).catch(async (error: unknown) => {
        await abandon(ending, context)
        throw error
      })
      await store.completeEnding(ending).catch(() => {})
      emit('loginMoved', { login: to, previous: from, user: record.user, tenant: record.tenant }, context)
      return true
    } finally {
      await allowRefresh()
    }
  }
}

/**
 * Waits for a refresh of the login and keeps others from starting: a refresh that finds the login gone revokes the
 * tokens it has just got, and the moved login would keep a refresh token that is used up.
 *
 * @returns A function that lets refreshes start again.
 */
async function withoutRefresh(
  store: Pick<LoginStore, 'lock'>,
  key: string,
  leaseMs: number,
): Promise<() => Promise<void>> {
  const deadline = Date.now() + maxWaitMs
  for (let pauseMs = 15; ; pauseMs = Math.min(pauseMs * 1.5, 200)) {
    const lock = await store.lock(key, leaseMs)
    if (typeof lock === 'object') return () => lock.release().catch(() => {})
    // After a failed refresh none starts for a while.
    if (lock === 'backoff' || Date.now() > deadline) return async () => {}
    await delay(pauseMs)
  }
}

/** The browser waits for it; a token request rarely takes that long. */
const maxWaitMs = 10_000
