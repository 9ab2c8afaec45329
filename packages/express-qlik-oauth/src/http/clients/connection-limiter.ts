/** Limits the connections of each login in this process. */
export interface ConnectionLimiter {
  /** @returns False when the login has reached its limit. */
  acquire(login: string): boolean
  /** Whether the login has a connection. */
  has(login: string): boolean
  /** Gives back one acquired connection. */
  release(login: string): void
}

/** Acquire before the connection opens, so that concurrent requests cannot pass the limit together. */
export function connectionLimiter(perLogin: number): ConnectionLimiter {
  const taken = new Map<string, number>()
  return {
    acquire(login) {
      const count = taken.get(login) ?? 0
      if (count >= perLogin) return false
      taken.set(login, count + 1)
      return true
    },
    has: login => taken.has(login),
    release(login) {
      const count = taken.get(login) ?? 0
      if (count > 1) taken.set(login, count - 1)
      else taken.delete(login)
    },
  }
}
