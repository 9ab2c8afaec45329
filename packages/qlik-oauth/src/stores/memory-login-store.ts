import type { TokenSet } from '../protocol/token-set.ts'
import type { AuthorizationTransaction, LoginChange, LoginStore, StoredLogin } from './login-store.ts'

export interface MemoryLoginStoreOptions {
  /** @default Date.now */
  readonly now?: () => number
}

/**
 * Keeps logins and tokens in this process: for development, tests, and applications of one process whose users may have
 * to log in again after a restart. Nothing is encrypted. Several processes need `redisLoginStore`.
 */
export function memoryLoginStore({ now = Date.now }: MemoryLoginStoreOptions = {}): LoginStore {
  const transactions = expiringMap<AuthorizationTransaction>(now)
  const logins = expiringMap<StoredLogin>(now)
  const tokenSets = expiringMap<TokenSet>(now)
  const locks = expiringMap<object | 'backoff'>(now)
  const counters = expiringMap<number>(now)
  const subscribers = new Set<(change: LoginChange) => void>()

  function announce(change: LoginChange): void {
    for (const onChange of [...subscribers]) onChange(change)
  }

  return {
    async saveTransaction(key, transaction, ttlSeconds) {
      transactions.set(key, transaction, ttlSeconds * 1000)
    },
    async takeTransaction(key) {
      return transactions.take(key)
    },

    async createLogin(key, record, idleSeconds) {
      logins.set(key, { version: 1, record }, idleSeconds * 1000)
    },
    async readLogin(key, idleSeconds) {
      const stored = logins.get(key)
      if (stored !== undefined && idleSeconds !== undefined) logins.set(key, stored, idleSeconds * 1000)
      return stored
    },
    async replaceLogin(key, version, record) {
      const stored = logins.get(key)
      if (stored === undefined) return 'gone'
      if (stored.version !== version) return 'changed'
      logins.set(key, { version: version + 1, record }, logins.left(key))
      announce({ type: 'changed', key })
      return 'replaced'
    },
    async endLogin(key) {
      const stored = logins.take(key)
      if (stored !== undefined) announce({ type: 'ended', key })
      return stored?.record
    },
    async idleLeft(key) {
      return logins.left(key)
    },
    async loginKeys(tenant, userId) {
      return logins.keys(({ record }) => record.tenant === tenant && record.user.id === userId)
    },

    async saveTokens(key, tokens) {
      tokenSets.set(key, tokens, tokens.expiresAt - now())
    },
    async readTokens(key) {
      return tokenSets.get(key)
    },

    async lock(key, leaseMs) {
      const holder = locks.get(key)
      if (holder !== undefined) return holder === 'backoff' ? 'backoff' : 'held'
      const self = {}
      locks.set(key, self, leaseMs)
      return {
        async renew() {
          if (locks.get(key) !== self) return false
          locks.set(key, self, leaseMs)
          return true
        },
        async release(backoffMs = 0) {
          if (locks.get(key) === self) locks.set(key, 'backoff', backoffMs)
        },
      }
    },
    async increment(key, windowSeconds) {
      const count = (counters.get(key) ?? 0) + 1
      counters.set(key, count, count === 1 ? windowSeconds * 1000 : counters.left(key))
      return count
    },
    subscribe(onChange) {
      // A function of its own, because the same `onChange` may be subscribed twice.
      const subscriber = (change: LoginChange) => onChange(change)
      subscribers.add(subscriber)
      return {
        get confirmed() {
          return subscribers.has(subscriber)
        },
        async close() {
          subscribers.delete(subscriber)
        },
      }
    },
    async ping() {},
    async close() {
      subscribers.clear()
    },
  }
}

/** A map whose entries expire. Expired entries are removed now and then, so that it does not grow without bound. */
function expiringMap<Value>(now: () => number) {
  const entries = new Map<string, { value: Value; expiresAt: number }>()
  let nextSweepAt = 0

  function current(key: string) {
    const entry = entries.get(key)
    return entry !== undefined && entry.expiresAt > now() ? entry : undefined
  }

  function sweep(): void {
    if (now() < nextSweepAt) return
    for (const key of entries.keys()) if (current(key) === undefined) entries.delete(key)
    nextSweepAt = now() + sweepIntervalMs
  }

  return {
    get: (key: string) => current(key)?.value,
    left: (key: string) => Math.max(0, (current(key)?.expiresAt ?? 0) - now()),
    set(key: string, value: Value, ttlMs: number): void {
      sweep()
      entries.set(key, { value, expiresAt: now() + ttlMs })
    },
    take(key: string): Value | undefined {
      const entry = current(key)
      entries.delete(key)
      return entry?.value
    },
    keys: (matches: (value: Value) => boolean) =>
      [...entries.keys()].filter(key => {
        const entry = current(key)
        return entry !== undefined && matches(entry.value)
      }),
  }
}

const sweepIntervalMs = 10_000
