import { parseJson } from '../protocol/json.ts'
import { expiringCache } from '../stores/expiring-cache.ts'
import { ForeignRecordError } from '../stores/foreign-record.ts'
import type { StoredLogin } from '../stores/login-store.ts'
import type { Seal } from '../stores/seal.ts'
import { isLoginRecord, type Shape } from '../stores/stored-values.ts'

/** Seals and unseals the values of Redis keys; the name of the key is the associated data. */
export interface RedisRecords {
  /** Newest first. */
  readonly keyIds: readonly string[]
  seal(name: string, value: object): string
  /** @returns `undefined` when the value is foreign, was altered, or has other fields. */
  unseal<Value>(name: string, envelope: string, isValue: Shape<Value>): Value | undefined
  /** The version precedes the envelope, where scripts can compare it, and is part of the associated data. */
  sealLogin(name: string, login: StoredLogin): string
  unsealLogin(name: string, value: string): StoredLogin | undefined
  /** Whether the value is sealed with a key of another key ring. Reports it, at most once a minute for each name. */
  isForeign(name: string, value: string): boolean
  /**
   * The value that a script replied, or replied in an array because it is foreign.
   *
   * @throws ERR_STORE_UNAVAILABLE for a foreign value.
   */
  taken(name: string, reply: unknown): string | undefined
  /** Whether a foreign value was found under this name within the last day. */
  wasForeign(name: string): boolean
}

export function redisRecords(ring: Seal, onForeign: (name: string) => void): RedisRecords {
  const reported = expiringCache<true>({ max: 1000, lifetimeMs: 60_000 })
  const foreign = expiringCache<true>({ max: 10_000, lifetimeMs: 24 * 60 * 60 * 1000 })

  function unseal<Value>(envelope: string, associatedData: string, isValue: Shape<Value>): Value | undefined {
    const value = parseJson(ring.unseal(envelope, associatedData) ?? '')
    return isValue(value) ? value : undefined
  }

  function isForeign(name: string, value: string): boolean {
    if (!ring.isForeign(value.replace(/^\d+ /, ''))) return false
    foreign.set(name, true)
    if (reported.get(name) === undefined) {
      reported.set(name, true)
      onForeign(name)
    }
    return true
  }

  return {
    keyIds: ring.keyIds,
    seal: (name, value) => ring.seal(JSON.stringify(value), name),
    unseal: (name, envelope, isValue) => unseal(envelope, name, isValue),
    sealLogin: (name, { version, record }) => `${version} ${ring.seal(JSON.stringify(record), `${name} ${version}`)}`,
    unsealLogin(name, value) {
      const [version = '', envelope = ''] = value.split(' ')
      const record = unseal(envelope, `${name} ${version}`, isLoginRecord)
      return record && { version: Number(version), record }
    },
    isForeign,
    taken(name, reply) {
      if (Array.isArray(reply)) {
        isForeign(name, String(reply[0]))
        throw new ForeignRecordError()
      }
      return typeof reply === 'string' ? reply : undefined
    },
    wasForeign: name => foreign.get(name) !== undefined,
  }
}
