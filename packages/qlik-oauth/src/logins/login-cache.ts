import type { Login } from './login.ts'

/**
 * Opened logins kept in this process for a few seconds, so that a busy browser costs no read of the store per request.
 */
export interface LoginCache {
  get(key: string): Login | undefined
  /** Call before reading the store; hand the mark to `keep`. */
  generation(): number
  /** Keeps the login, unless anything was forgotten since the mark: what was read then may be of yesterday. */
  set(login: Login, mark: number): void
  forget(key: string): void
  forgetAll(): void
}

export function loginCache(lifetimeMs: number, now: () => number): LoginCache {
  const copies = new Map<string, { login: Login; until: number }>()
  let changes = 0

  return {
    get(key) {
      const copy = copies.get(key)
      if (copy === undefined) return undefined
      const at = now()
      if (at < copy.until && at < copy.login.record.endsAt) return copy.login
      copies.delete(key)
      return undefined
    },
    generation: () => changes,
    set(login, mark) {
      if (lifetimeMs === 0 || mark !== changes) return
      const [oldest] = copies.size < mostCopies ? [] : copies.keys()
      if (oldest !== undefined) copies.delete(oldest)
      copies.set(login.key, { login, until: now() + lifetimeMs })
    },
    forget(key) {
      changes++
      copies.delete(key)
    },
    forgetAll() {
      changes++
      copies.clear()
    },
  }
}

const mostCopies = 10_000
