import { randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { isObject } from '../protocol/json.ts'
import { configurationError, invalidOption, rejectUnknownOptions, wholeNumber } from '../protocol/option-checks.ts'
import { decryptionCache } from '../stores/decryption-cache.ts'
import { ForeignRecordError } from '../stores/foreign-record.ts'
import { defaultEndingLeaseMs, type LoginStore, type StoreLock } from '../stores/login-store.ts'
import { keyRing } from '../stores/seal.ts'
import { isAuthorizationTransaction, isTokenSet } from '../stores/stored-values.ts'
import { type RedisClient, redisConnection } from './clients/redis-client.ts'
import { redisCommands } from './redis-commands.ts'
import { redisDueIndex } from './redis-due-index.ts'
import { redisDueLogins } from './redis-due-logins.ts'
import { redisEndings } from './redis-endings.ts'
import { redisLoginIndex } from './redis-login-index.ts'
import { redisNames } from './redis-names.ts'
import { redisRecords } from './redis-records.ts'
import {
  acquireLock,
  deleteIfEqual,
  incrementCounter,
  releaseLock,
  renewLock,
  replaceIfVersion,
  saveTokens,
  takeTransaction,
} from './redis-scripts.ts'
import { announcement, redisSubscription } from './redis-subscription.ts'

export interface RedisLoginStoreOptions {
  /** 32 bytes each, base64, newest first: the first one encrypts, all decrypt. */
  readonly keys: readonly string[]
  /** Begins the name of every key and channel. @default 'qlik:' */
  readonly prefix?: string
  /** Time limit of every command in milliseconds; after it the command fails with ERR_STORE_UNAVAILABLE. @default 800 */
  readonly commandTimeoutMs?: number
  /** Receives what an operator should know. No event contains a token or a secret. */
  readonly onEvent?: (event: RedisLoginStoreEvent) => void
}

export type RedisLoginStoreEvent =
  /** A value was truncated, altered, copied from another key, or written by an incompatible release. It was deleted. */
  | { readonly type: 'unreadableRecord'; readonly key: string }
  /**
   * A value is sealed with a key that is not in the ring: another deployment uses the same Redis and prefix, or `keys`
   * is wrong. It was left as it is. Reported at most once a minute for each Redis key.
   */
  | { readonly type: 'unknownKey'; readonly key: string }
  /**
   * The index names a login that was not ended, and its record is gone: evicted under `maxmemory`, lost in a failover,
   * deleted by hand, or never written because Redis failed during the login. It has ended without `loginEnded` and
   * without a revocation, because the record named the user and held the tokens. Reported about a minute after the time
   * at which its idle end was expected.
   */
  | { readonly type: 'lostLogin'; readonly key: string }
  /** Announcements of ended logins stopped arriving; cached logins are dropped. */
  | { readonly type: 'announcementsLost' }

/**
 * Keeps logins and tokens in Redis 6.2 or newer, or Valkey (single node, Sentinel or Cluster), for any number of processes.
 *
 * The caller owns the client, one of ioredis 5 or 6 or of node-redis 5 or 6: give it an `error` listener, let it
 * reconnect (`retryStrategy`, `reconnectStrategy`) and look for the new master when the old one refuses writes
 * (`reconnectOnError` of ioredis), and close it after the store. A client of node-redis that was never connected is
 * connected at the first command. STORAGE.md lists every key.
 *
 * @example redisLoginStore(new Redis('redis://localhost'), { keys: [process.env.TOKEN_KEY] })
 * @example redisLoginStore(await createClient().on('error', log).connect(), { keys: [process.env.TOKEN_KEY] })
 * @throws ERR_CONFIGURATION for another kind of client, or an invalid option.
 */
export function redisLoginStore(client: RedisClient, options: RedisLoginStoreOptions): LoginStore {
  // Not quoted: it may be a key.
  if (!isObject(options)) throw configurationError('redisLoginStore needs options, such as { keys: [key] }.')
  rejectUnknownOptions('redisLoginStore', options, optionNames)
  const { prefix = 'qlik:', onEvent = () => {} } = options
  // Braces would change the hash tags, and with them the slots of a Cluster.
  if (typeof prefix !== 'string' || !/^[\x21-\x7a|~]*$/.test(prefix))
    throw invalidOption('prefix', 'a string of visible ASCII characters without braces, such as "qlik:"', prefix)
  if (typeof onEvent !== 'function') throw invalidOption('onEvent', 'a function that receives an event', onEvent)
  const commandTimeoutMs = wholeNumber('commandTimeoutMs', options.commandTimeoutMs, 800)
  const redis = redisConnection(client, commandTimeoutMs)
  const ring = keyRing(options.keys)
  const { keyIds } = ring
  const knownKeyIds = ` ${keyIds.join(' ')} `
  const names = redisNames(redis.keyPrefix + prefix)
  const { channel } = names
  const commands = redisCommands(redis, commandTimeoutMs)
  const { send, run } = commands
  const records = redisRecords(ring, key => onEvent({ type: 'unknownKey', key }))
  const decrypted = decryptionCache()
  const dueIndex = redisDueIndex({ commands, names, keyIds, graceMs })
  const index = redisLoginIndex({ commands, names, keyIds, dueIndex })
  const onUnreadable = (key: string) => onEvent({ type: 'unreadableRecord', key })
  const endings = redisEndings({ commands, names, records, dueIndex, index, onUnreadable })
  const onLost = (key: string) => onEvent({ type: 'lostLogin', key })
  const takeEnded = redisDueLogins({ commands, names, records, dueIndex, endings, deleteLogin, onUnreadable, onLost })
  const subscription = redisSubscription(redis, channel, () => onEvent({ type: 'announcementsLost' }))
  /** When this process last extended the idle time of a login. */
  const extensions = new LRUCache<string, { readonly idleMs: number; readonly at: number }>({ max: 10_000 })

  function isExtendedRecently(name: string, idleMs: number): boolean {
    const last = extensions.get(name)
    return last?.idleMs === idleMs && Date.now() - last.at < idleMs / 10
  }

  /** Deletes exactly the value that was read; a readable one may have replaced it since. */
  async function deleteLogin(key: string, value: string): Promise<boolean> {
    const name = names.of(key, 'login')
    decrypted.delete(name)
    const change = announcement({ type: 'ended', key })
    return (await run(deleteIfEqual, [name, names.of(key, 'idle')], value, channel, change)) === 1
  }

  return {
    async saveTransaction(key, transaction, ttlSeconds) {
      const name = names.of(key, 'transaction')
      await send('set', name, records.seal(name, transaction), 'PX', milliseconds(ttlSeconds))
    },
    async takeTransaction(key) {
      const name = names.of(key, 'transaction')
      const value = records.taken(name, await run(takeTransaction, [name], knownKeyIds))
      if (value === undefined) return undefined
      const transaction = records.unseal(name, value, isAuthorizationTransaction)
      if (transaction === undefined) onUnreadable(name)
      return transaction
    },

    async createLogin(key, record, idleSeconds) {
      const name = names.of(key, 'login')
      const idleMs = milliseconds(idleSeconds)
      await index.add(key, record, idleMs)
      const keptMs = Math.max(0, Math.ceil(record.endsAt - Date.now())) + graceMs
      await Promise.all([
        send('set', names.of(key, 'idle'), '', 'PX', idleMs),
        send('set', name, records.sealLogin(name, { version: 1, record }), 'PX', keptMs),
      ])
      extensions.set(name, { idleMs, at: Date.now() })
    },
    async readLogin(key, idleSeconds) {
      const name = names.of(key, 'login')
      const idleName = names.of(key, 'idle')
      const idleMs = idleSeconds === undefined ? undefined : milliseconds(idleSeconds)
      const read = send('mget', name, idleName)
      if (idleMs !== undefined && !isExtendedRecently(name, idleMs) && !records.wasForeign(name)) {
        // In the same packet as the read. Without the marker, that is after the idle end, it has no effect.
        const extended = send('pexpire', idleName, idleMs)
        await Promise.all([read, extended])
        extensions.set(name, { idleMs, at: Date.now() })
      }
      const reply = await read
      const [value, idle] = Array.isArray(reply) ? reply : []
      if (typeof value !== 'string' || typeof idle !== 'string') return undefined
      const stored = decrypted.read(name, value, records.unsealLogin)
      if (stored !== undefined) return stored
      if (records.isForeign(name, value)) throw new ForeignRecordError()
      if (await deleteLogin(key, value)) onUnreadable(name)
      return undefined
    },
    async replaceLogin(key, version, record) {
      const name = names.of(key, 'login')
      const value = records.sealLogin(name, { version: version + 1, record })
      const change = announcement({ type: 'changed', key })
      const outcome = await run(replaceIfVersion, [name, names.of(key, 'idle')], version, value, channel, change)
      // The replaced value may have been sealed and indexed under an older key.
      if (outcome === 'replaced' && keyIds.length > 1) await index.add(key, record, reindexedMs).catch(() => {})
      return outcome === 'replaced' || outcome === 'changed' ? outcome : 'gone'
    },
    async endLogin(key, reason, leaseMs = defaultEndingLeaseMs) {
      const name = names.of(key, 'login')
      const ending = await endings.end(key, reason, leaseMs)
      extensions.delete(name)
      decrypted.delete(name)
      return ending
    },
    takeEnded: (accepts = () => true, leaseMs = defaultEndingLeaseMs) => takeEnded(accepts, leaseMs),
    markReported: endings.markReported,
    renewEndings: (taken, leaseMs = defaultEndingLeaseMs) => endings.renew(taken, leaseMs),
    completeEnding: endings.complete,
    async idleLeft(key) {
      const [exists, left] = await Promise.all([
        send('exists', names.of(key, 'login')),
        send('pttl', names.of(key, 'idle')).then(Number),
      ])
      // PTTL is 0 in the last millisecond of a key that can still be read, and negative for one that is gone.
      return exists === 0 || left < 0 ? 0 : Math.max(1, left)
    },
    loginKeys: index.keysOf,

    async saveTokens(key, tokens) {
      const name = names.of(key, 'tokens')
      const left = Math.floor(tokens.expiresAt - Date.now())
      if (left > 0) await run(saveTokens, [name], knownKeyIds, records.seal(name, tokens), left)
    },
    async readTokens(key) {
      const name = names.of(key, 'tokens')
      const value = await send('get', name)
      if (typeof value !== 'string') return undefined
      const tokens = records.unseal(name, value, isTokenSet)
      if (tokens !== undefined || records.isForeign(name, value)) return tokens
      if ((await run(deleteIfEqual, [name], value)) === 1) onUnreadable(name)
      return undefined
    },

    async lock(key, leaseMs) {
      const name = names.of(key, 'lock')
      const holder = randomUUID()
      const outcome = await run(acquireLock, [name], holder, leaseMs)
      if (outcome !== 'acquired') return outcome === 'backoff' ? 'backoff' : 'held'
      return {
        renew: async () => (await run(renewLock, [name], holder, leaseMs)) === 1,
        async release(backoffMs = 0) {
          await run(releaseLock, [name], holder, backoffMs)
        },
      } satisfies StoreLock
    },
    async increment(key, windowSeconds) {
      return Number(await run(incrementCounter, [names.of(key, 'counter')], milliseconds(windowSeconds)))
    },
    subscribe: subscription.subscribe,
    async ping() {
      await send('ping')
    },
    async close() {
      subscription.close()
      commands.close()
    },
  }
}

/** How long a record is kept after the absolute end, for the case that no process runs then. */
const graceMs = 24 * 3600 * 1000
/** A login that was indexed under another key is due after this time; then its idle end is read. */
const reindexedMs = 60_000

function milliseconds(seconds: number): number {
  return Math.ceil(seconds * 1000)
}

const optionNames = Object.keys({
  keys: true,
  prefix: true,
  commandTimeoutMs: true,
  onEvent: true,
} satisfies Record<keyof RedisLoginStoreOptions, true>)
