import { expiringCache } from '../stores/expiring-cache.ts'
import type { LoginRecord } from '../stores/login-store.ts'

interface CachedLogin {
  readonly key: string
  readonly record: Pick<LoginRecord, 'endsAt'>
}

/** Logins kept in this process for a few seconds, so that not every request of a busy browser reads the store. */
export interface LoginCache<Login extends CachedLogin> {
  get(key: string): Login | undefined
  /** Changes with each deletion. Call it before reading the store, and pass the result to `set`. */
  generation(): number
  /** Keeps the login, unless an entry was deleted since `generation`: what was read then may be stale. */
  set(login: Login, generation: number): void
  delete(key: string): void
  clear(): void
}

/** @param lifetimeMs How long a login is served from the cache; 0 keeps none. */
export function loginCache<Login extends CachedLogin>(lifetimeMs: number, now: () => number): LoginCache<Login> {
  const entries = lifetimeMs > 0 ? expiringCache<Login>({ max: maxEntries, lifetimeMs, now }) : undefined
  let current = 0

  return {
    get(key) {
      const login = entries?.get(key)
      return login === undefined || now() < login.record.endsAt ? login : undefined
    },
    generation: () => current,
    set(login, generation) {
      if (generation === current) entries?.set(login.key, login)
    },
    delete(key) {
      current++
      entries?.delete(key)
    },
    clear() {
      current++
      entries?.clear()
    },
  }
}

const maxEntries = 10_000
