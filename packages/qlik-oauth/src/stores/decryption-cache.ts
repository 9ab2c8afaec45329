import { expiringCache } from './expiring-cache.ts'
import type { StoredLogin } from './login-store.ts'

/** Keeps decrypted logins for a few seconds, because one page reads the same login with each of its requests. */
export interface DecryptionCache {
  /**
   * Returns the decrypted form of `value`. Only a value identical to the stored one is served from the cache, so the
   * result is never out of date.
   *
   * @param name Name of the Redis key that holds `value`.
   * @param unseal Decrypts a value that is not in the cache.
   */
  read(
    name: string,
    value: string,
    unseal: (name: string, value: string) => StoredLogin | undefined,
  ): StoredLogin | undefined
  delete(name: string): void
}

/** @param lifetimeMs How long a decrypted login is used; it leaves memory at most half of that later. */
export function decryptionCache(lifetimeMs = 10_000, now = Date.now): DecryptionCache {
  const entries = expiringCache<Decrypted>({ max: maxEntries, lifetimeMs, now })

  return {
    read(name, value, unseal) {
      const known = entries.get(name)
      if (known?.value === value) return known.stored
      const stored = unseal(name, value)
      if (stored !== undefined) entries.set(name, { value, stored })
      return stored
    },
    delete(name) {
      entries.delete(name)
    },
  }
}

interface Decrypted {
  readonly value: string
  readonly stored: StoredLogin
}

/** Of about 8 KB each. */
const maxEntries = 2000
