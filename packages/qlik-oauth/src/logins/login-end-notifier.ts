import type { ChangeSubscription, LoginChange, LoginStore } from '../stores/login-store.ts'
import type { Login } from './login.ts'

export interface LoginEndNotifierOptions {
  readonly store: LoginStore
  readonly now: () => number
  /** Called for every announced change of a login. */
  readonly changed: (change: LoginChange) => void
  /** Called when announcements may have been missed. */
  readonly lost: () => void
  /** Called when a login with listeners is over by the clock. */
  readonly expired: (key: string) => void
}

/** Tells whoever holds something open for a login when that login is over, whichever process ended it. */
export interface LoginEndNotifier {
  /** Starts listening to the store, if nobody does yet. */
  watch(): ChangeSubscription
  onEnd(login: Login, listener: () => void): () => void
  /** Tells the listeners of this process at once, without waiting for the announcement to come around. */
  notify(key: string): void
  close(): Promise<void>
}

export function loginEndNotifier({ store, now, changed, lost, expired }: LoginEndNotifierOptions): LoginEndNotifier {
  const listeners = new Map<string, { endsAt: number; calls: Set<() => void>; timer: NodeJS.Timeout | undefined }>()
  let watching: ChangeSubscription | undefined

  function watch(): ChangeSubscription {
    watching ??= store.subscribe(
      change => {
        changed(change)
        if (change.type === 'ended') over(change.key)
      },
      () => {
        lost()
        for (const key of listeners.keys()) void look(key)
      },
    )
    return watching
  }

  function over(key: string): void {
    const waiting = listeners.get(key)
    if (waiting === undefined) return
    listeners.delete(key)
    clearTimeout(waiting.timer)
    for (const call of waiting.calls) call()
  }

  /**
   * Idle ends and evictions are announced by nobody, so the store is asked now and then, and when the idle time would
   * be over.
   */
  async function look(key: string): Promise<void> {
    const waiting = listeners.get(key)
    if (waiting === undefined) return
    clearTimeout(waiting.timer)
    if (now() >= waiting.endsAt) {
      expired(key)
      return over(key)
    }
    const left = await store.idleLeft(key).catch(() => undefined)
    if (listeners.get(key) !== waiting) return
    if (left === 0) return over(key)
    const next = Math.min(left ?? askAgainMs, waiting.endsAt - now(), longestWaitMs)
    clearTimeout(waiting.timer)
    waiting.timer = setTimeout(() => void look(key), Math.max(next, 0) + 10).unref()
  }

  return {
    watch,
    notify: over,
    onEnd(login, listener) {
      watch()
      const { key } = login
      const waiting = listeners.get(key) ?? { endsAt: login.record.endsAt, calls: new Set(), timer: undefined }
      waiting.calls.add(listener)
      if (!listeners.has(key)) {
        listeners.set(key, waiting)
        // The login may have ended between being found and being listened to.
        void look(key)
      }
      return () => {
        waiting.calls.delete(listener)
        if (waiting.calls.size > 0 || listeners.get(key) !== waiting) return
        clearTimeout(waiting.timer)
        listeners.delete(key)
      }
    },
    async close() {
      for (const { timer } of listeners.values()) clearTimeout(timer)
      listeners.clear()
      await watching?.close()
    },
  }
}

const askAgainMs = 1000
const longestWaitMs = 10_000
