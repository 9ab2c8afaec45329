import { LRUCache } from 'lru-cache'
import type { ExpiredLogin, LoginRecord } from './login-store.ts'
import type { RedisCommands } from './redis-commands.ts'
import type { DueLogin, DueOutcome, RedisDueIndex } from './redis-due-index.ts'
import type { RedisLoginIndex } from './redis-login-index.ts'
import type { RedisNames } from './redis-names.ts'
import type { RedisRecords } from './redis-records.ts'
import { readIfExpired } from './redis-scripts.ts'

export interface RedisExpiryOptions {
  readonly commands: RedisCommands
  readonly names: RedisNames
  readonly records: RedisRecords
  readonly dueIndex: RedisDueIndex
  readonly index: RedisLoginIndex
  /** Deletes the login and announces its end if it still has this value. */
  readonly deleteLogin: (key: string, value: string) => Promise<boolean>
  readonly onUnreadable: (name: string) => void
}

/** @returns `LoginStore.takeExpired`. */
export function redisExpiry(
  options: RedisExpiryOptions,
): (accepts?: (record: LoginRecord) => boolean) => Promise<readonly ExpiredLogin[]> {
  const { commands, names, records, dueIndex, index, deleteLogin, onUnreadable } = options
  /** Logins that the caller did not accept, by the time of the first look. */
  const unaccepted = new LRUCache<string, number>({ max: 1000 })

  return async (accepts = () => true) => {
    const taken: ExpiredLogin[] = []
    try {
      await dueIndex.handleDue(login => handle(login, accepts, taken))
    } catch (error) {
      // What was taken before the failure is not lost.
      if (taken.length === 0) throw error
    }
    return taken
  }

  async function handle(
    { key, endsAt }: DueLogin,
    accepts: (record: LoginRecord) => boolean,
    taken: ExpiredLogin[],
  ): Promise<DueOutcome> {
    const name = names.of(key, 'login')
    const isPastAbsoluteEnd = endsAt <= Date.now()
    const reply = await commands.run(readIfExpired, [name, names.of(key, 'idle')], isPastAbsoluteEnd ? 1 : 0)
    if (typeof reply === 'number') return Math.min(reply, endsAt - Date.now())
    if (typeof reply !== 'string') return 'remove'
    if (records.isForeign(name, reply)) return 'leave'

    const record = records.unsealLogin(name, reply)?.record
    if (record === undefined) {
      if (await deleteLogin(key, reply)) onUnreadable(name)
      return 'remove'
    }
    // A newer login has the same key; it has an entry of its own.
    if (record.endsAt !== endsAt) return 'remove'
    if (!accepts(record) && isLeftToOthers(name)) return Math.random() * maxOthersMs
    if (!(await deleteLogin(key, reply))) return 'leave'
    taken.push({ key, record })
    await index.remove(key, record)
    return 'remove'
  }

  function isLeftToOthers(name: string): boolean {
    const firstSeen = unaccepted.get(name) ?? Date.now()
    unaccepted.set(name, firstSeen)
    return Date.now() - firstSeen < leftToOthersMs
  }
}

const leftToOthersMs = 5 * 60_000
/** After how long another process may claim a login that this one does not accept. */
const maxOthersMs = 2000
