import { createHash, randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { QlikOAuthError } from '../protocol/errors.ts'
import { quoted } from '../protocol/option-checks.ts'
import { decryptionCache } from './decryption-cache.ts'
import type { ExpiredLogin, Lock, LoginRecord, LoginStore } from './login-store.ts'
import { type RedisClient, redisCommands } from './redis-commands.ts'
import { type DueLogin, type DueOutcome, redisDueIndex } from './redis-due-index.ts'
import { foreignRecord, redisRecords } from './redis-records.ts'
import {
  acquireLock,
  addToUserLogins,
  deleteIfEqual,
  incrementCounter,
  readIfExpired,
  releaseLock,
  renewLock,
  replaceIfVersion,
  saveTokens,
  takeLogin,
  takeTransaction,
} from './redis-scripts.ts'
import { announcement, redisSubscription } from './redis-subscription.ts'
import { keyRing } from './seal.ts'
import { isAuthorizationTransaction, isTokenSet } from './stored-values.ts'

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
  /** A value was truncated, altered, copied from another key, or written by an incompatible release. It was deleted. */
  | { readonly type: 'unreadableRecord'; readonly key: string }
  /**
   * A value is sealed with a key that is not in the ring: another deployment uses the same Redis and prefix, or `keys`
   * is wrong. It was left as it is. Reported at most once a minute for each Redis key.
   */
  | { readonly type: 'unknownKey'; readonly key: string }
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
  if (typeof redis?.call !== 'function' || typeof redis.duplicate !== 'function') {
    const received = 'sendCommand' in Object(redis) ? 'a client of node-redis' : quoted(redis)
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `redisLoginStore needs a client of ioredis, such as new Redis(url), got ${received}.`,
    )
  }
  const { prefix = 'qlik:', commandTimeoutMs = 800, onEvent = () => {} } = options
  if (!(commandTimeoutMs > 0)) {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `commandTimeoutMs must be a number above 0, got ${JSON.stringify(commandTimeoutMs)}`,
    )
  }
  const ring = keyRing(options.keys)
  const sealedWith = ` ${ring.keyIds.join(' ')} `
  const channel = `${prefix}changes`
  const commands = redisCommands(redis, commandTimeoutMs)
  const { send, run } = commands
  const { seal, unseal, sealLogin, unsealLogin, isForeign } = redisRecords(ring, key =>
    onEvent({ type: 'unknownKey', key }),
  )
  const decrypted = decryptionCache()
  const dueIndex = redisDueIndex({ commands, prefix, keyIds: ring.keyIds, graceMs })
  const subscription = redisSubscription(redis, channel, () => onEvent({ type: 'announcementsLost' }))
  /** When this process last extended the idle time of a login. */
  const extensions = new LRUCache<string, { readonly idleMs: number; readonly at: number }>({ max: 10_000 })
  /** Expired logins that the caller did not accept, by the time of the first look. */
  const unaccepted = new LRUCache<string, number>({ max: 1000 })

  /** The braces put all Redis keys of one `key` into one slot of a Cluster. */
  function nameOf(
    key: string,
    kind: 'login' | 'idle' | 'logins' | 'transaction' | 'tokens' | 'lock' | 'counter',
  ): string {
    return `${prefix}{${key}}:${kind}`
  }

  /** One list for each key of the ring, so that logins of another key ring are not listed. */
  function userLogins({ tenant, userId }: { tenant: string; userId: string }, keyId: string): string {
    return nameOf(createHash('sha256').update(`${keyId} ${tenant} ${userId}`).digest('base64url'), 'logins')
  }

  /** Before the login is written: what is not listed cannot be ended by an administrator, or by the clock. */
  async function list(key: string, { tenant, user, endsAt }: LoginRecord, dueInMs: number): Promise<void> {
    const [newest = ''] = ring.keyIds
    const name = userLogins({ tenant, userId: user.id }, newest)
    await Promise.all([
      run(addToUserLogins, [name], Date.now(), endsAt, key),
      dueIndex.add({ key, endsAt }, Math.min(dueInMs, Math.max(0, endsAt - Date.now()))),
    ])
  }

  /** The login has ended already; an entry that stays names no login and expires with the list. */
  async function removeFromUserLogins(key: string, { tenant, user }: LoginRecord): Promise<void> {
    const names = ring.keyIds.map(keyId => userLogins({ tenant, userId: user.id }, keyId))
    await Promise.all(names.map(name => send('zrem', name, key))).catch(() => {})
  }

  function isExtendedRecently(name: string, idleMs: number): boolean {
    const last = extensions.get(name)
    return last?.idleMs === idleMs && Date.now() - last.at < idleMs / 10
  }

  /** @throws ERR_STORE_UNAVAILABLE for a foreign value, which the scripts leave and reply in an array. */
  function takenValue(name: string, reply: unknown): string | undefined {
    if (Array.isArray(reply)) {
      isForeign(name, String(reply[0]))
      throw foreignRecord()
    }
    return typeof reply === 'string' ? reply : undefined
  }

  /** Deletes exactly the value that was read; a readable one may have replaced it since. */
  async function discardLogin(key: string, value: string): Promise<boolean> {
    const names = [nameOf(key, 'login'), nameOf(key, 'idle')]
    return (await run(deleteIfEqual, names, value, channel, announcement({ type: 'ended', key }))) === 1
  }

  async function takeIfExpired(
    { key, endsAt }: DueLogin,
    accepts: (record: LoginRecord) => boolean,
    taken: ExpiredLogin[],
  ): Promise<DueOutcome> {
    const name = nameOf(key, 'login')
    const hasEnded = endsAt <= Date.now()
    const reply = await run(readIfExpired, [name, nameOf(key, 'idle')], hasEnded ? 1 : 0)
    if (typeof reply === 'number') return Math.min(reply, endsAt - Date.now())
    if (typeof reply !== 'string') return 'remove'
    if (isForeign(name, reply)) return 'leave'

    const record = unsealLogin(name, reply)?.record
    if (record === undefined) {
      if (await discardLogin(key, reply)) onEvent({ type: 'unreadableRecord', key: name })
      return 'remove'
    }
    // A newer login has the same key; it has an entry of its own.
    if (record.endsAt !== endsAt) return 'remove'
    if (!accepts(record) && isLeftToOthers(name)) return Math.random() * maxOthersMs
    if (!(await discardLogin(key, reply))) return 'leave'
    decrypted.delete(name)
    taken.push({ key, record })
    await removeFromUserLogins(key, record)
    return 'remove'
  }

  function isLeftToOthers(name: string): boolean {
    const firstSeen = unaccepted.get(name) ?? Date.now()
    unaccepted.set(name, firstSeen)
    return Date.now() - firstSeen < leftToOthersMs
  }

  return {
    async saveTransaction(key, transaction, ttlSeconds) {
      const name = nameOf(key, 'transaction')
      await send('set', name, seal(name, transaction), 'PX', milliseconds(ttlSeconds))
    },
    async takeTransaction(key) {
      const name = nameOf(key, 'transaction')
      const value = takenValue(name, await run(takeTransaction, [name], sealedWith))
      if (value === undefined) return undefined
      const transaction = unseal(name, value, isAuthorizationTransaction)
      if (transaction === undefined) onEvent({ type: 'unreadableRecord', key: name })
      return transaction
    },

    async createLogin(key, record, idleSeconds) {
      const name = nameOf(key, 'login')
      const idleMs = milliseconds(idleSeconds)
      await list(key, record, idleMs)
      const keptMs = Math.max(0, Math.ceil(record.endsAt - Date.now())) + graceMs
      await Promise.all([
        send('set', nameOf(key, 'idle'), '', 'PX', idleMs),
        send('set', name, sealLogin(name, { version: 1, record }), 'PX', keptMs),
      ])
      extensions.set(name, { idleMs, at: Date.now() })
    },
    async readLogin(key, idleSeconds) {
      const name = nameOf(key, 'login')
      const idleName = nameOf(key, 'idle')
      const idleMs = idleSeconds === undefined ? undefined : milliseconds(idleSeconds)
      const read = send('mget', name, idleName)
      if (idleMs !== undefined && !isExtendedRecently(name, idleMs)) {
        // In the same packet as the read. Without the marker, that is after the idle end, it has no effect.
        const extended = send('pexpire', idleName, idleMs)
        await Promise.all([read, extended])
        extensions.set(name, { idleMs, at: Date.now() })
      }
      const reply = await read
      const [value, idle] = Array.isArray(reply) ? reply : []
      if (typeof value !== 'string' || typeof idle !== 'string') return undefined
      const stored = decrypted.read(name, value, unsealLogin)
      if (stored !== undefined) return stored
      if (isForeign(name, value)) throw foreignRecord()
      if (await discardLogin(key, value)) onEvent({ type: 'unreadableRecord', key: name })
      return undefined
    },
    async replaceLogin(key, version, record) {
      const name = nameOf(key, 'login')
      const value = sealLogin(name, { version: version + 1, record })
      const change = announcement({ type: 'changed', key })
      const outcome = await run(replaceIfVersion, [name, nameOf(key, 'idle')], version, value, channel, change)
      // The replaced value may have been sealed and listed under an older key.
      if (outcome === 'replaced' && ring.keyIds.length > 1) await list(key, record, relistedMs).catch(() => {})
      return outcome === 'replaced' || outcome === 'changed' ? outcome : 'gone'
    },
    async endLogin(key) {
      const name = nameOf(key, 'login')
      const change = announcement({ type: 'ended', key })
      const value = takenValue(name, await run(takeLogin, [name, nameOf(key, 'idle')], sealedWith, channel, change))
      if (value === undefined) return undefined
      extensions.delete(name)
      decrypted.delete(name)
      const record = unsealLogin(name, value)?.record
      if (record === undefined) onEvent({ type: 'unreadableRecord', key: name })
      else
        await Promise.all([
          removeFromUserLogins(key, record),
          dueIndex.remove({ key, endsAt: record.endsAt }).catch(() => {}),
        ])
      return record
    },
    async takeExpired(accepts = () => true) {
      const taken: ExpiredLogin[] = []
      // What was taken before a failure is not lost.
      await dueIndex
        .handleDue(login => takeIfExpired(login, accepts, taken))
        .catch(error => {
          if (taken.length === 0) throw error
        })
      return taken
    },
    async idleLeft(key) {
      const [exists, left] = await Promise.all([
        send('exists', nameOf(key, 'login')),
        send('pttl', nameOf(key, 'idle')).then(Number),
      ])
      // PTTL is 0 in the last millisecond of a key that can still be read, and negative for one that is gone.
      return exists === 0 || left < 0 ? 0 : Math.max(1, left)
    },
    async loginKeys(tenant, userId) {
      const names = ring.keyIds.map(keyId => userLogins({ tenant, userId }, keyId))
      const lists = await Promise.all(names.map(name => send('zrange', name, 0, -1)))
      return [...new Set(lists.flat().map(String))]
    },

    async saveTokens(key, tokens) {
      const name = nameOf(key, 'tokens')
      const left = Math.floor(tokens.expiresAt - Date.now())
      if (left > 0) await run(saveTokens, [name], sealedWith, seal(name, tokens), left)
    },
    async readTokens(key) {
      const name = nameOf(key, 'tokens')
      const value = await send('get', name)
      if (typeof value !== 'string') return undefined
      const tokens = unseal(name, value, isTokenSet)
      if (tokens !== undefined || isForeign(name, value)) return tokens
      if ((await run(deleteIfEqual, [name], value)) === 1) onEvent({ type: 'unreadableRecord', key: name })
      return undefined
    },

    async lock(key, leaseMs) {
      const name = nameOf(key, 'lock')
      const holder = randomUUID()
      const outcome = await run(acquireLock, [name], holder, leaseMs)
      if (outcome !== 'acquired') return outcome === 'backoff' ? 'backoff' : 'held'
      return {
        renew: async () => (await run(renewLock, [name], holder, leaseMs)) === 1,
        async release(backoffMs = 0) {
          await run(releaseLock, [name], holder, backoffMs)
        },
      } satisfies Lock
    },
    async increment(key, windowSeconds) {
      return Number(await run(incrementCounter, [nameOf(key, 'counter')], milliseconds(windowSeconds)))
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
/** A login that was listed under another key is due after this time; then its idle end is read. */
const relistedMs = 60_000
const leftToOthersMs = 5 * 60_000
const maxOthersMs = 2000

function milliseconds(seconds: number): number {
  return Math.ceil(seconds * 1000)
}
