import { sha256 } from '../protocol/hash.ts'

/** The names of Redis keys and of the channel. STORAGE.md describes each. */
export interface RedisNames {
  readonly channel: string
  /** The braces put all Redis keys of one `key` into one slot of a Cluster. */
  of(key: string, kind: 'login' | 'idle' | 'transaction' | 'tokens' | 'lock' | 'counter'): string
  /** One list for each key of the ring, so that logins of another key ring are not listed. */
  userLogins(keyId: string, tenant: string, userId: string): string
  /** Likewise. */
  due(keyId: string, shard: number): string
}

export function redisNames(prefix: string): RedisNames {
  return {
    channel: `${prefix}changes`,
    of: (key, kind) => `${prefix}{${key}}:${kind}`,
    userLogins(keyId, tenant, userId) {
      return `${prefix}{${sha256(`${keyId} ${tenant} ${userId}`)}}:logins`
    },
    due: (keyId, shard) => `${prefix}{${keyId}.${shard}}:due`,
  }
}
