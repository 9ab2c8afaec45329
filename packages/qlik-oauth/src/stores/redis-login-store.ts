import { createHash, randomUUID } from 'node:crypto'
import { QlikOAuthError } from '../protocol/errors.ts'
import { parseJson } from '../protocol/json.ts'
import { decryptionCache } from './decryption-cache.ts'
import type { Lock, LoginRecord, LoginStore, StoredLogin } from './login-store.ts'
import { type RedisClient, redisCommands } from './redis-commands.ts'
import {
  countHit,
  discard,
  enterLogin,
  releaseLock,
  renewLock,
  replaceIfVersion,
  takeAndAnnounce,
  takeLock,
} from './redis-scripts.ts'
import { announcement, redisSubscription } from './redis-subscription.ts'
import { keyRing } from './seal.ts'
import { isLoginAttempt, isLoginRecord, isTokenSet, type Shape } from './stored-values.ts'

export interface RedisLoginStoreOptions {
  /** 32 bytes each, base64, newest first: the first one encrypts, all decrypt. */
  readonly keys: readonly string[]
  /** Begins the name of every key and channel. @default 'qlik:' */
  readonly prefix?: string
  /** Every command is answered within this time or fails with ERR_STORE_UNAVAILABLE. @default 800 */
  readonly commandTimeoutMs?: number
  /** Tells an operator what the callers are not told. No event holds a token or a secret. */
  readonly onEvent?: (event: RedisLoginStoreEvent) => void
}

export type RedisLoginStoreEvent =
  /**
   * A value was cut, altered, moved here from another key, or sealed with a key that is not in the ring. It has been
   * deleted.
   */
  | { readonly type: 'unreadableRecord'; readonly key: string }
  /** Announcements of ended logins no longer arrive; watchers have been told to look everything up. */
  | { readonly type: 'announcementsLost' }

/**
 * Keeps logins and tokens in Redis, for any number of processes: single node, Sentinel or Cluster. Redis 6.2 or newer.
 *
 * The client stays yours: give it an `error` listener, let it reconnect (`retryStrategy`), let it look for the new
 * master when an old one refuses writes (`reconnectOnError`), and close it after the store. STORAGE.md lists every key.
 *
 * @example redisLoginStore(new Redis('redis://localhost'), { keys: [process.env.TOKEN_KEY] })
 * @throws ERR_CONFIGURATION
 */
export function redisLoginStore(redis: RedisClient, options: RedisLoginStoreOptions): LoginStore {
  const { prefix = 'qlik:', commandTimeoutMs = 800, onEvent = () => {} } = options
  if (!(commandTimeoutMs > 0)) {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `commandTimeoutMs must be a number above 0, got ${JSON.stringify(commandTimeoutMs)}`,
    )
  }
  const seal = keyRing(options.keys)
  const channel = `${prefix}changes`
  const { send, run, close } = redisCommands(redis, commandTimeoutMs)
  const recent = decryptionCache()
  const announcements = redisSubscription(redis, channel, () => onEvent({ type: 'announcementsLost' }))

  /** The braces keep all keys of one login in one slot of a Cluster. */
  function place(key: string, kind: 'login' | 'attempt' | 'tokens' | 'lock' | 'hits' | 'logins') {
    return `${prefix}{${key}}:${kind}`
  }

  function loginsOf(tenant: string, userId: string): string {
    return place(createHash('sha256').update(`${tenant} ${userId}`).digest('base64url'), 'logins')
  }

  function sealed(value: object, at: string): string {
    return seal.seal(JSON.stringify(value), at)
  }

  function opened<Value>(envelope: string, at: string, isValue: Shape<Value>): Value | undefined {
    const value = parseJson(seal.unseal(envelope, at) ?? '')
    return isValue(value) ? value : undefined
  }

  // The version stands outside the envelope, where scripts can compare it, and is bound to it as part of its place.
  function sealedLogin(at: string, { version, record }: StoredLogin): string {
    return `${version} ${sealed(record, `${at} ${version}`)}`
  }

  function openLogin(at: string, value: string): StoredLogin | undefined {
    const [version = '', envelope = ''] = value.split(' ')
    const record = opened(envelope, `${at} ${version}`, isLoginRecord)
    return record && { version: Number(version), record }
  }

  return {
    async saveTransaction(key, attempt, ttlSeconds) {
      const at = place(key, 'attempt')
      await send('set', at, sealed(attempt, at), 'PX', ms(ttlSeconds))
    },
    async takeTransaction(key) {
      const at = place(key, 'attempt')
      const value = await send('getdel', at)
      if (typeof value !== 'string') return undefined
      const attempt = opened(value, at, isLoginAttempt)
      if (attempt === undefined) onEvent({ type: 'unreadableRecord', key: at })
      return attempt
    },

    async createLogin(key, record, idleSeconds) {
      const at = place(key, 'login')
      // Listed before it exists: a login that is missing in its owner's list could not be ended from there.
      await run(enterLogin, loginsOf(record.tenant, record.user.id), Date.now(), record.endsAt, key)
      await send('set', at, sealedLogin(at, { version: 1, record }), 'PX', ms(idleSeconds))
    },
    async readLogin(key, idleSeconds) {
      const at = place(key, 'login')
      const value = await (idleSeconds === undefined ? send('get', at) : send('getex', at, 'PX', ms(idleSeconds)))
      if (typeof value !== 'string') return undefined
      const stored = recent.read(at, value, openLogin)
      // Only the value that was read: somebody may have put a better one there meanwhile.
      if (
        stored === undefined &&
        (await run(discard, at, value, channel, announcement({ type: 'ended', key }))) === 1
      ) {
        onEvent({ type: 'unreadableRecord', key: at })
      }
      return stored
    },
    async replaceLogin(key, version, record) {
      const at = place(key, 'login')
      const value = sealedLogin(at, { version: version + 1, record })
      const outcome = await run(replaceIfVersion, at, version, value, channel, announcement({ type: 'changed', key }))
      return outcome === 'replaced' || outcome === 'changed' ? outcome : 'gone'
    },
    async endLogin(key) {
      const at = place(key, 'login')
      const value = await run(takeAndAnnounce, at, channel, announcement({ type: 'ended', key }))
      if (typeof value !== 'string') return undefined
      recent.forget(at)
      const record = openLogin(at, value)?.record
      if (record === undefined) onEvent({ type: 'unreadableRecord', key: at })
      else await strikeOut(key, record)
      return record
    },
    async idleLeft(key) {
      const left = Number(await send('pttl', place(key, 'login')))
      // Within its last millisecond Redis says 0 of a login that can still be read, and a negative number of one that
      // is gone.
      return left < 0 ? 0 : Math.max(1, left)
    },
    async loginKeys(tenant, userId) {
      const keys = await send('zrange', loginsOf(tenant, userId), 0, -1)
      return Array.isArray(keys) ? keys.map(String) : []
    },

    async saveTokens(key, tokens) {
      const at = place(key, 'tokens')
      const left = Math.floor(tokens.expiresAt - Date.now())
      if (left > 0) await send('set', at, sealed(tokens, at), 'PX', left)
    },
    async readTokens(key) {
      const at = place(key, 'tokens')
      const value = await send('get', at)
      if (typeof value !== 'string') return undefined
      const tokens = opened(value, at, isTokenSet)
      if (tokens === undefined && (await run(discard, at, value)) === 1) onEvent({ type: 'unreadableRecord', key: at })
      return tokens
    },

    async lock(key, leaseMs) {
      const at = place(key, 'lock')
      const holder = randomUUID()
      const outcome = await run(takeLock, at, holder, leaseMs)
      if (outcome !== 'taken') return outcome === 'cooling' ? 'cooling' : 'held'
      return {
        renew: async () => (await run(renewLock, at, holder, leaseMs)) === 1,
        async release(coolMs = 0) {
          await run(releaseLock, at, holder, coolMs)
        },
      } satisfies Lock
    },
    async increment(key, windowSeconds) {
      return Number(await run(countHit, place(key, 'hits'), ms(windowSeconds)))
    },
    subscribe: announcements.watch,
    async ping() {
      await send('ping')
    },
    async close() {
      announcements.close()
      close()
    },
  }

  /** The login is over already; an entry that stays behind leads nowhere and goes with the list. */
  async function strikeOut(key: string, { tenant, user }: LoginRecord): Promise<void> {
    await send('zrem', loginsOf(tenant, user.id), key).catch(() => {})
  }
}

function ms(seconds: number): number {
  return Math.ceil(seconds * 1000)
}
