import { randomUUID } from 'node:crypto'
import { invalidOption, rejectUnknownOptions } from '../protocol/option-checks.ts'
import type { TokenSet } from '../protocol/token-set.ts'
import {
  type AuthorizationTransaction,
  defaultEndingLeaseMs,
  type LoginChange,
  type LoginEnding,
  type LoginEndReason,
  type LoginRecord,
  type LoginStore,
  type StoredLogin,
} from './login-store.ts'

export interface MemoryLoginStoreOptions {
  /** Milliseconds since the epoch. @default Date.now */
  readonly now?: () => number
}

/**
 * Keeps logins and tokens in this process: for development, tests, and applications of one process whose users may have
 * to log in again after a restart. Nothing is encrypted. Several processes need `redisLoginStore`.
 *
 * @throws ERR_CONFIGURATION for an invalid option.
 */
export function memoryLoginStore(options: MemoryLoginStoreOptions = {}): LoginStore {
  rejectUnknownOptions('memoryLoginStore', options, ['now'])
  const { now = Date.now } = options
  if (typeof now !== 'function') throw invalidOption('now', 'a function that returns milliseconds', now)
  const transactions = expiringMap<AuthorizationTransaction>(now)
  const logins = new Map<string, MemoryLogin>()
  const endings = new Map<string, MemoryEnding>()
  const tokenSets = expiringMap<TokenSet>(now)
  const locks = expiringMap<object | 'backoff'>(now)
  const counters = expiringMap<number>(now)
  const subscribers = new Set<(change: LoginChange) => void>()

  function isIdle({ idleEndsAt }: MemoryLogin): boolean {
    return idleEndsAt <= now()
  }

  /** The login, unless its idle end has passed; then it awaits `takeExpired`. */
  function active(key: string): MemoryLogin | undefined {
    const login = logins.get(key)
    return login === undefined || isIdle(login) ? undefined : login
  }

  function end(key: string, { stored }: MemoryLogin, reason: LoginEndReason, leaseMs: number): LoginEnding {
    logins.delete(key)
    const ending = { id: randomUUID(), key, record: stored.record, reason, reported: false }
    endings.set(ending.id, { ending, endedAt: now(), leaseEndsAt: now() + leaseMs })
    return ending
  }

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
      const idleMs = idleSeconds * 1000
      logins.set(key, { stored: { version: 1, record }, idleMs, extendedAt: now(), idleEndsAt: now() + idleMs })
    },
    async readLogin(key, idleSeconds) {
      const login = active(key)
      if (login === undefined || idleSeconds === undefined) return login?.stored
      const idleMs = idleSeconds * 1000
      if (login.idleMs !== idleMs || now() >= login.extendedAt + idleMs / 10)
        logins.set(key, { stored: login.stored, idleMs, extendedAt: now(), idleEndsAt: now() + idleMs })
      return login.stored
    },
    async replaceLogin(key, version, record) {
      const login = active(key)
      if (login === undefined) return 'gone'
      if (login.stored.version !== version) return 'changed'
      logins.set(key, { ...login, stored: { version: version + 1, record } })
      announce({ type: 'changed', key })
      return 'replaced'
    },
    async endLogin(key, reason, leaseMs = defaultEndingLeaseMs) {
      const login = active(key)
      if (login === undefined) return undefined
      const ending = end(key, login, reason, leaseMs)
      announce({ type: 'ended', key })
      return ending
    },
    async takeEnded(accepts = () => true, leaseMs = defaultEndingLeaseMs) {
      const isTaken = (overdueMs: number, record: LoginRecord) =>
        overdueMs >= 0 && (overdueMs >= leftToOthersMs || accepts(record))
      const taken: LoginEnding[] = []
      for (const [id, held] of endings) {
        if (now() - held.endedAt >= endingLifetimeMs) endings.delete(id)
        else if (isTaken(now() - held.leaseEndsAt, held.ending.record)) {
          endings.set(id, { ...held, leaseEndsAt: now() + leaseMs })
          taken.push(held.ending)
        }
      }
      const expired: LoginEnding[] = []
      for (const [key, login] of logins) {
        const { record } = login.stored
        if (isTaken(now() - Math.min(login.idleEndsAt, record.endsAt), record))
          expired.push(end(key, login, 'expired', leaseMs))
      }
      for (const { key } of expired) announce({ type: 'ended', key })
      return [...taken, ...expired]
    },
    async markReported({ id }) {
      const held = endings.get(id)
      if (held !== undefined) endings.set(id, { ...held, ending: { ...held.ending, reported: true } })
    },
    async renewEndings(taken, leaseMs = defaultEndingLeaseMs) {
      for (const { id } of taken) {
        const held = endings.get(id)
        if (held !== undefined) endings.set(id, { ...held, leaseEndsAt: now() + leaseMs })
      }
    },
    async completeEnding({ id }) {
      endings.delete(id)
    },
    async idleLeft(key) {
      return (active(key)?.idleEndsAt ?? now()) - now()
    },
    async loginKeys(tenant, userId) {
      const isOfUser = ({ stored: { record } }: MemoryLogin) => record.tenant === tenant && record.user.id === userId
      return [...logins].filter(([, login]) => !isIdle(login) && isOfUser(login)).map(([key]) => key)
    },

    async saveTokens(key, tokens) {
      if (tokens.expiresAt > now()) tokenSets.set(key, tokens, tokens.expiresAt - now())
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

interface MemoryLogin {
  readonly stored: StoredLogin
  /** With which the idle time was last extended, and when. */
  readonly idleMs: number
  readonly extendedAt: number
  readonly idleEndsAt: number
}

interface MemoryEnding {
  readonly ending: LoginEnding
  readonly endedAt: number
  readonly leaseEndsAt: number
}

/** How long an ending is kept when it is not completed. */
const endingLifetimeMs = 24 * 3600 * 1000
/** How long an expired login that the caller does not accept is left to others. */
const leftToOthersMs = 5 * 60_000

/** A map whose entries expire. Expired entries are removed periodically, so that it does not grow without bound. */
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
  }
}

const sweepIntervalMs = 10_000
