/** The sockets of each login, in this process. */
export interface ConnectionLimiter {
  /** @returns False when the login has all it may have. */
  acquire(login: string): boolean
  release(login: string): void
}

/**
 * Counts sockets from the moment in which a login is known, so that two upgrades at once do not pass the limit
 * together.
 */
export function connectionLimiter(perLogin: number): ConnectionLimiter {
  const taken = new Map<string, number>()
  return {
    acquire(login) {
      const count = taken.get(login) ?? 0
      if (count >= perLogin) return false
      taken.set(login, count + 1)
      return true
    },
    release(login) {
      const count = taken.get(login) ?? 0
      if (count > 1) taken.set(login, count - 1)
      else taken.delete(login)
    },
  }
}
