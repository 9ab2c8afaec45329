import { sha256 } from '../protocol/hash.ts'

/** The names of Redis keys and of the channel. STORAGE.md describes each. */
export interface RedisNames {
  readonly channel: string
  /** The braces put all Redis keys of one `key` into one slot of a Cluster. */
  of(key: string, kind: 'login' | 'idle' | 'transaction' | 'tokens' | 'lock' | 'counter'): string
  /** The record of a login that has ended: first under `ended`, then, once its end was reported, under `reported`. */
  ending(key: string, state: 'ended' | 'reported', id: string): string
  /** One list for each key of the ring, so that logins of another key ring are not listed. */
  userLogins(keyId: string, tenant: string, userId: string): string
  /** Likewise. */
  due(keyId: string, shard: number): string
}

export function redisNames(prefix: string): RedisNames {
  return {
    channel: `${prefix}changes`,
    of: (key, kind) => `${prefix}{${key}}:${kind}`,
    ending: (key, state, id) => `${prefix}{${key}}:${state}:${id}`,
    userLogins(keyId, tenant, userId) {
      return `${prefix}{${sha256(`${keyId} ${tenant} ${userId}`)}}:logins`
    },
    due: (keyId, shard) => `${prefix}{${keyId}.${shard}}:due`,
  }
}
