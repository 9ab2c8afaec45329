import type { TokenSet } from '../protocol/token-set.ts'
import type { AuthorizationTransaction, LoginChange, LoginStore, StoredLogin } from './login-store.ts'

export interface MemoryLoginStoreOptions {
  /** @default Date.now */
  readonly now?: () => number
}

/**
 * Keeps logins and tokens in this process: for development, tests, and applications of one process whose users may have
 * to log in again after a restart. Nothing is encrypted and nothing is shared; several processes need
 * `redisLoginStore`.
 */
export function memoryLoginStore({ now = Date.now }: MemoryLoginStoreOptions = {}): LoginStore {
  const attempts = expiringMap<AuthorizationTransaction>(now)
  const logins = expiringMap<StoredLogin>(now)
  const tokenSets = expiringMap<TokenSet>(now)
  const locks = expiringMap<object | 'cooling'>(now)
  const counters = expiringMap<number>(now)
  const watchers = new Set<(change: LoginChange) => void>()

  function announce(change: LoginChange) {
    for (const listener of [...watchers]) listener(change)
  }

  return {
    async saveTransaction(key, attempt, ttlSeconds) {
      attempts.set(key, attempt, ttlSeconds * 1000)
    },
    async takeTransaction(key) {
      return attempts.take(key)
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
      if (holder !== undefined) return holder === 'cooling' ? 'cooling' : 'held'
      const self = {}
      locks.set(key, self, leaseMs)
      return {
        async renew() {
          if (locks.get(key) !== self) return false
          locks.set(key, self, leaseMs)
          return true
        },
        async release(coolMs = 0) {
          if (locks.get(key) === self) locks.set(key, 'cooling', coolMs)
        },
      }
    },
    async increment(key, windowSeconds) {
      const hits = (counters.get(key) ?? 0) + 1
      counters.set(key, hits, hits === 1 ? windowSeconds * 1000 : counters.left(key))
      return hits
    },
    subscribe(listener) {
      // A function of its own: the same listener may watch twice.
      const watcher = (change: LoginChange) => listener(change)
      watchers.add(watcher)
      return {
        get confirmed() {
          return watchers.has(watcher)
        },
        async close() {
          watchers.delete(watcher)
        },
      }
    },
    async ping() {},
    async close() {
      watchers.clear()
    },
  }
}

/**
 * A map whose entries end by themselves. Entries that are over are swept out now and then, so that it cannot grow with
 * what is forgotten.
 */
function expiringMap<Value>(now: () => number) {
  const entries = new Map<string, { value: Value; endsAt: number }>()
  let sweepAt = 0

  function current(key: string) {
    const entry = entries.get(key)
    return entry !== undefined && entry.endsAt > now() ? entry : undefined
  }

  function sweep() {
    if (now() < sweepAt) return
    for (const key of entries.keys()) if (current(key) === undefined) entries.delete(key)
    sweepAt = now() + sweepMs
  }

  return {
    get: (key: string) => current(key)?.value,
    left: (key: string) => Math.max(0, (current(key)?.endsAt ?? 0) - now()),
    set(key: string, value: Value, ttlMs: number) {
      sweep()
      entries.set(key, { value, endsAt: now() + ttlMs })
    },
    take(key: string): Value | undefined {
      const entry = current(key)
      entries.delete(key)
      return entry?.value
    },
    keys: (which: (value: Value) => boolean) =>
      [...entries.keys()].filter(key => {
        const entry = current(key)
        return entry !== undefined && which(entry.value)
      }),
  }
}

const sweepMs = 10_000
