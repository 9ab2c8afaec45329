import type { LoginChange, LoginChangeSubscription, LoginRecord, LoginStore } from '../stores/login-store.ts'

export interface LoginEndNotifierOptions {
  readonly store: LoginStore
  readonly now: () => number
  /** Called for every announced change of a login. */
  readonly onChange: (change: LoginChange) => void
  /** Called when announcements may have been missed. */
  readonly onGap: () => void
  /** Called when a login with listeners has reached its absolute end. */
  readonly onExpired: (key: string) => void
}

/** The part of a login that is needed to learn of its end. */
export interface WatchableLogin {
  readonly key: string
  readonly record: Pick<LoginRecord, 'endsAt'>
}

/** Calls listeners when a login ends, in any process. */
export interface LoginEndNotifier {
  /** Subscribes to the store, once. */
  subscribe(): LoginChangeSubscription
  /** @returns A function that removes the listener. */
  onEnd(login: WatchableLogin, listener: () => void): () => void
  /** Calls the listeners of this process at once, before the announcement arrives. */
  notify(key: string): void
  close(): Promise<void>
}

export function loginEndNotifier(options: LoginEndNotifierOptions): LoginEndNotifier {
  const { store, now, onChange, onGap, onExpired } = options
  const watched = new Map<string, WatchedLogin>()
  let subscription: LoginChangeSubscription | undefined

  function subscribe(): LoginChangeSubscription {
    subscription ??= store.subscribe(
      change => {
        onChange(change)
        if (change.type === 'ended') notify(change.key)
      },
      () => {
        onGap()
        // At most about 1000 a second.
        for (const [key, login] of watched) checkIn(key, login, Math.random() * watched.size)
      },
    )
    return subscription
  }

  function notify(key: string): void {
    const login = watched.get(key)
    if (login === undefined) return
    watched.delete(key)
    clearTimeout(login.timer)
    for (const listener of login.listeners) listener()
  }

  /**
   * Most ends are announced. The store is polled at the idle end and at intervals, in case the login was evicted
   * or an announcement was lost.
   */
  async function check(key: string): Promise<void> {
    const login = watched.get(key)
    if (login === undefined) return
    clearTimeout(login.timer)
    if (now() >= login.endsAt) {
      onExpired(key)
      return notify(key)
    }
    const left = await store.idleLeft(key).catch(() => undefined)
    if (watched.get(key) !== login) return
    if (left === 0) return notify(key)
    if (left === undefined) return checkIn(key, login, spread(retryMs))
    checkIn(key, login, Math.min(left, login.endsAt - now(), spread(checkIntervalMs)) + 10)
  }

  function checkIn(key: string, login: WatchedLogin, waitMs: number): void {
    clearTimeout(login.timer)
    login.timer = setTimeout(() => void check(key), Math.max(waitMs, 0)).unref()
  }

  /** A random time, at least `leastMs`, and so long that at most about 100 checks a second are made for all logins. */
  function spread(leastMs: number): number {
    return Math.max(leastMs, watched.size * 10) * (1 + Math.random() / 2)
  }

  return {
    subscribe,
    notify,
    onEnd(login, listener) {
      subscribe()
      const { key } = login
      const entry = watched.get(key) ?? { endsAt: login.record.endsAt, listeners: new Set(), timer: undefined }
      entry.listeners.add(listener)
      if (!watched.has(key)) {
        watched.set(key, entry)
        // The login may have ended since it was read.
        void check(key)
      }
      return () => {
        entry.listeners.delete(listener)
        if (entry.listeners.size > 0 || watched.get(key) !== entry) return
        clearTimeout(entry.timer)
        watched.delete(key)
      }
    },
    async close() {
      for (const { timer } of watched.values()) clearTimeout(timer)
      watched.clear()
      await subscription?.close()
    },
  }
}

interface WatchedLogin {
  readonly endsAt: number
  readonly listeners: Set<() => void>
  timer: NodeJS.Timeout | undefined
}

/** After a store that did not respond. */
const retryMs = 1000
const checkIntervalMs = 10_000
