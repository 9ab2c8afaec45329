import type { StoredLogin } from './login-store.ts'

/**
 * Remembers for a few seconds what sealed values said, since the same login is read again with every request of a page.
 */
export interface DecryptionCache {
  /**
   * @param value The sealed value as it stands in the store now: only the very same text is not opened anew, so nothing
   * here is ever out of date.
   * @param open Opens it the long way.
   */
  read(at: string, value: string, open: (at: string, value: string) => StoredLogin | undefined): StoredLogin | undefined
  forget(at: string): void
}

/**
 * @param lifetimeMs How long a login is remembered at most. Half of the time a new page is begun, and what stands on
 * the page before is used up.
 */
export function decryptionCache(lifetimeMs = 10_000, now = Date.now): DecryptionCache {
  let page = new Map<string, Opened>()
  let before = page
  let turnAt = 0

  function turn(): void {
    const at = now()
    if (at < turnAt && page.size < mostOnPage) return
    // After a quiet time the page before is too old as well.
    before = at < turnAt + lifetimeMs / 2 ? page : new Map()
    page = new Map()
    turnAt = at + lifetimeMs / 2
  }

  return {
    read(at, value, open) {
      turn()
      const known = page.get(at) ?? before.get(at)
      if (known?.value === value) return known.stored
      const stored = open(at, value)
      if (stored !== undefined) page.set(at, { value, stored })
      return stored
    },
    forget(at) {
      page.delete(at)
      before.delete(at)
    },
  }
}

interface Opened {
  readonly value: string
  readonly stored: StoredLogin
}

/** Of about 8 KB each. */
const mostOnPage = 1000
