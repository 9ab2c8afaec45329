import { LRUCache } from 'lru-cache'

/** Limits how often one login opens sockets, in this process. */
export interface UpgradeRate {
  /** Counts an upgrade. @returns Seconds until the login may open sockets again; `undefined` when it may now. */
  count(login: string): number | undefined
}

/**
 * Each upgrade costs a token lookup and a TLS handshake with the tenant, so a page that reconnects in a loop would slow
 * down all others. Counts in windows of one minute, for the 10,000 logins that opened sockets last.
 *
 * @param now Milliseconds of any clock.
 */
export function upgradeRate(perMinute: number, now = () => performance.now()): UpgradeRate {
  const counts = new LRUCache<string, number>({ max: maxLogins })
  let windowEnd = 0
  return {
    count(login) {
      const at = now()
      if (at >= windowEnd) {
        counts.clear()
        windowEnd = at + windowMs
      }
      const count = (counts.get(login) ?? 0) + 1
      if (count > perMinute) return Math.ceil((windowEnd - at) / 1000)
      counts.set(login, count)
      return undefined
    },
  }
}

const windowMs = 60_000
const maxLogins = 10_000
