import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/**
 * Bounds how often rejected access tokens are renewed. A token that replaced a rejected one is not renewed for being
 * rejected itself within a minute: the resource then rejects every token, and renewing cannot help.
 */
export interface RejectionGuard {
  /** Records that an access token replaced a rejected one. */
  replaced(key: string, accessToken: string): void
  /** Whether the access token replaced a rejected one less than a minute ago. */
  blocksRenewal(key: string, accessToken: string): boolean
}

/**
 * @param capacity How many keys are remembered; the least recently used is forgotten.
 * @param now Milliseconds since the epoch.
 */
export function rejectionGuard(capacity: number, now: () => number): RejectionGuard {
  // Hashes, because a token may expire or be revoked long before its entry goes.
  const replacements = new LRUCache<string, string>({
    max: capacity,
    ttl: pauseMs,
    ttlResolution: 0,
    perf: { now },
  })
  return {
    replaced: (key, accessToken) => void replacements.set(key, hash(accessToken)),
    blocksRenewal: (key, accessToken) => replacements.get(key) === hash(accessToken),
  }
}

const pauseMs = 60_000

function hash(accessToken: string): string {
  return createHash('sha256').update(accessToken).digest('base64url')
}
