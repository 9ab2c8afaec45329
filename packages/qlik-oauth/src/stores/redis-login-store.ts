import { createHash, randomUUID } from 'node:crypto'
import { QlikOAuthError } from '../protocol/errors.ts'
import { parseJson } from '../protocol/json.ts'
import { decryptionCache } from './decryption-cache.ts'
import type { Lock, LoginRecord, LoginStore, StoredLogin } from './login-store.ts'
import { type RedisClient, redisCommands } from './redis-commands.ts'
import {
  acquireLock,
  addToUserLogins,
  deleteIfEqual,
  incrementCounter,
  releaseLock,
  renewLock,
  replaceIfVersion,
  takeAndAnnounce,
} from './redis-scripts.ts'
import { announcement, redisSubscription } from './redis-subscription.ts'
import { keyRing } from './seal.ts'
import { isAuthorizationTransaction, isLoginRecord, isTokenSet, type Shape } from './stored-values.ts'

export interface RedisLoginStoreOptions {
  /** 32 bytes each, base64, newest first: the first one encrypts, all decrypt. */
  readonly keys: readonly string[]
  /** Begins the name of every key and channel. @default 'qlik:' */
  readonly prefix?: string
  /** Time limit of every command; after it the command fails with ERR_STORE_UNAVAILABLE. @default 800 */
  readonly commandTimeoutMs?: number
  /** Receives what an operator should know. No event contains a token or a secret. */
  readonly onEvent?: (event: RedisLoginStoreEvent) => void
}

export type RedisLoginStoreEvent =
  /**
   * A value was truncated, altered, copied from another key, or sealed with a key that is not in the ring. It was
   * deleted.
   */
  | { readonly type: 'unreadableRecord'; readonly key: string }
  /** Announcements of ended logins stopped arriving; cached logins are dropped. */
  | { readonly type: 'announcementsLost' }

/**
 * Keeps logins and tokens in Redis 6.2 or newer (single node, Sentinel or Cluster) for any number of processes.
 *
 * The caller owns the client: give it an `error` listener, let it reconnect (`retryStrategy`) and look for the new
 * master when the old one refuses writes (`reconnectOnError`), and close it after the store. STORAGE.md lists every
 * key.
 *
 * @example redisLoginStore(new Redis('redis://localhost'), { keys: [process.env.TOKEN_KEY] })
 * @throws ERR_CONFIGURATION for unusable keys or an unusable time limit.
 */
export function redisLoginStore(redis: RedisClient, options: RedisLoginStoreOptions): LoginStore {
  const { prefix = 'qlik:', commandTimeoutMs = 800, onEvent = () => {} } = options
  if (!(commandTimeoutMs > 0)) {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `commandTimeoutMs must be a number above 0, got ${JSON.stringify(commandTimeoutMs)}`,
    )
  }
  const ring = keyRing(options.keys)
  const channel = `${prefix}changes`
  const { send, run, close } = redisCommands(redis, commandTimeoutMs)
  const decrypted = decryptionCache()
  const subscription = redisSubscription(redis, channel, () => onEvent({ type: 'announcementsLost' }))

  /** The braces put all Redis keys of one `key` into one slot of a Cluster. */
  function nameOf(key: string, kind: 'login' | 'logins' | 'transaction' | 'tokens' | 'lock' | 'counter'): string {
    return `${prefix}{${key}}:${kind}`
  }

  function userLogins(tenant: string, userId: string): string {
    return nameOf(createHash('sha256').update(`${tenant} ${userId}`).digest('base64url'), 'logins')
  }

  function seal(value: object, name: string): string {
    return ring.seal(JSON.stringify(value), name)
  }

  function unseal<Value>(envelope: string, name: string, isValue: Shape<Value>): Value | undefined {
    const value = parseJson(ring.unseal(envelope, name) ?? '')
    return isValue(value) ? value : undefined
  }

  // The version is outside the envelope, where scripts can compare it, and part of the associated data.
  function sealLogin(name: string, { version, record }: StoredLogin): string {
    return `${version} ${seal(record, `${name} ${version}`)}`
  }

  function unsealLogin(name: string, value: string): StoredLogin | undefined {
    const [version = '', envelope = ''] = value.split(' ')
    const record = unseal(envelope, `${name} ${version}`, isLoginRecord)
    return record && { version: Number(version), record }
  }

  return {
    async saveTransaction(key, transaction, ttlSeconds) {
      const name = nameOf(key, 'transaction')
      await send('set', name, seal(transaction, name), 'PX', milliseconds(ttlSeconds))
    },
    async takeTransaction(key) {
      const name = nameOf(key, 'transaction')
      const value = await send('getdel', name)
      if (typeof value !== 'string') return undefined
      const transaction = unseal(value, name, isAuthorizationTransaction)
      if (transaction === undefined) onEvent({ type: 'unreadableRecord', key: name })
      return transaction
    },

    async createLogin(key, record, idleSeconds) {
      const name = nameOf(key, 'login')
      // Added to the list before it exists: a login that is missing there could not be ended by an administrator.
      await run(addToUserLogins, userLogins(record.tenant, record.user.id), Date.now(), record.endsAt, key)
      await send('set', name, sealLogin(name, { version: 1, record }), 'PX', milliseconds(idleSeconds))
    },
    async readLogin(key, idleSeconds) {
      const name = nameOf(key, 'login')
      const value = await (idleSeconds === undefined
        ? send('get', name)
        : send('getex', name, 'PX', milliseconds(idleSeconds)))
      if (typeof value !== 'string') return undefined
      const stored = decrypted.read(name, value, unsealLogin)
      // Deletes exactly the value that was read; a readable one may have replaced it since.
      if (
        stored === undefined &&
        (await run(deleteIfEqual, name, value, channel, announcement({ type: 'ended', key }))) === 1
      ) {
        onEvent({ type: 'unreadableRecord', key: name })
      }
      return stored
    },
    async replaceLogin(key, version, record) {
      const name = nameOf(key, 'login')
      const value = sealLogin(name, { version: version + 1, record })
      const outcome = await run(replaceIfVersion, name, version, value, channel, announcement({ type: 'changed', key }))
      return outcome === 'replaced' || outcome === 'changed' ? outcome : 'gone'
    },
    async endLogin(key) {
      const name = nameOf(key, 'login')
      const value = await run(takeAndAnnounce, name, channel, announcement({ type: 'ended', key }))
      if (typeof value !== 'string') return undefined
      decrypted.delete(name)
      const record = unsealLogin(name, value)?.record
      if (record === undefined) onEvent({ type: 'unreadableRecord', key: name })
      else await removeFromUserLogins(key, record)
      return record
    },
    async idleLeft(key) {
      const left = Number(await send('pttl', nameOf(key, 'login')))
      // PTTL is 0 in the last millisecond of a login that can still be read, and negative for one that is gone.
      return left < 0 ? 0 : Math.max(1, left)
    },
    async loginKeys(tenant, userId) {
      const keys = await send('zrange', userLogins(tenant, userId), 0, -1)
      return Array.isArray(keys) ? keys.map(String) : []
    },

    async saveTokens(key, tokens) {
      const name = nameOf(key, 'tokens')
      const left = Math.floor(tokens.expiresAt - Date.now())
      if (left > 0) await send('set', name, seal(tokens, name), 'PX', left)
    },
    async readTokens(key) {
      const name = nameOf(key, 'tokens')
      const value = await send('get', name)
      if (typeof value !== 'string') return undefined
      const tokens = unseal(value, name, isTokenSet)
      if (tokens === undefined && (await run(deleteIfEqual, name, value)) === 1)
        onEvent({ type: 'unreadableRecord', key: name })
      return tokens
    },

    async lock(key, leaseMs) {
      const name = nameOf(key, 'lock')
      const holder = randomUUID()
      const outcome = await run(acquireLock, name, holder, leaseMs)
      if (outcome !== 'acquired') return outcome === 'backoff' ? 'backoff' : 'held'
      return {
        renew: async () => (await run(renewLock, name, holder, leaseMs)) === 1,
        async release(backoffMs = 0) {
          await run(releaseLock, name, holder, backoffMs)
        },
      } satisfies Lock
    },
    async increment(key, windowSeconds) {
      return Number(await run(incrementCounter, nameOf(key, 'counter'), milliseconds(windowSeconds)))
    },
    subscribe: subscription.subscribe,
    async ping() {
      await send('ping')
    },
    async close() {
      subscription.close()
      close()
    },
  }

  /** The login has ended already; an entry that stays names no login and expires with the list. */
  async function removeFromUserLogins(key: string, { tenant, user }: LoginRecord): Promise<void> {
    await send('zrem', userLogins(tenant, user.id), key).catch(() => {})
  }
}

function milliseconds(seconds: number): number {
  return Math.ceil(seconds * 1000)
}
