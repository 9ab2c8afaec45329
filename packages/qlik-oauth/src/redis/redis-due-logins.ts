import { LRUCache } from 'lru-cache'
import type { LoginEnding, LoginRecord } from '../stores/login-store.ts'
import type { RedisCommands } from './redis-commands.ts'
import type { DueEnding, DueLogin, DueOutcome, RedisDueIndex } from './redis-due-index.ts'
import type { RedisEndings } from './redis-endings.ts'
import type { RedisNames } from './redis-names.ts'
import type { RedisRecords } from './redis-records.ts'
import { readIfExpired } from './redis-scripts.ts'

export interface RedisDueLoginsOptions {
  readonly commands: RedisCommands
  readonly names: RedisNames
  readonly records: RedisRecords
  readonly dueIndex: RedisDueIndex
  readonly endings: RedisEndings
  /** Deletes the login and announces its end if it still has this value. */
  readonly deleteLogin: (key: string, value: string) => Promise<boolean>
  readonly onUnreadable: (name: string) => void
  /** Called once for a login whose record is gone although it was not ended. */
  readonly onLost: (name: string) => void
}

type Accepts = (record: LoginRecord) => boolean

/** @returns `LoginStore.takeEnded`. */
export function redisDueLogins(
  options: RedisDueLoginsOptions,
): (accepts: Accepts, leaseMs: number) => Promise<readonly LoginEnding[]> {
  const { commands, names, records, dueIndex, endings, deleteLogin, onUnreadable, onLost } = options
  /** Logins that the caller did not accept, and logins without a record, by the time of the first look. */
  const firstLooks = new LRUCache<string, number>({ max: 1000 })

  return async (accepts, leaseMs) => {
    const taken: LoginEnding[] = []
    try {
      await dueIndex.handleDue(leaseMs, due =>
        'endsAt' in due ? lookAtLogin(due, accepts, leaseMs, taken) : takeOver(due, accepts, taken),
      )
    } catch (error) {
      // What was taken before the failure is not lost.
      if (taken.length === 0) throw error
    }
    return taken
  }

  async function lookAtLogin(
    { key, endsAt }: DueLogin,
    accepts: Accepts,
    leaseMs: number,
    taken: LoginEnding[],
  ): Promise<DueOutcome> {
    const name = names.of(key, 'login')
    const isPastAbsoluteEnd = endsAt <= Date.now()
    const reply = await commands.run(readIfExpired, [name, names.of(key, 'idle')], isPastAbsoluteEnd ? 1 : 0)
    if (typeof reply === 'number') return Math.min(reply, endsAt - Date.now())
    if (typeof reply !== 'string') {
      // An ending that is being completed removes the entry within seconds.
      if (isWithin(missingMs, `${endsAt} ${name}`)) return missingMs
      onLost(name)
      return 'remove'
    }
    if (records.isForeign(name, reply)) return 'leave'

    const record = records.unsealLogin(name, reply)?.record
    if (record === undefined) {
      if (await deleteLogin(key, reply)) onUnreadable(name)
      return 'remove'
    }
    // A newer login has the same key; it has an entry of its own.
    if (record.endsAt !== endsAt) return 'remove'
    if (!accepts(record) && isWithin(leftToOthersMs, name)) return Math.random() * maxOthersMs
    const ending = await endings.expire(key, reply, record, leaseMs)
    if (ending === undefined) return 'leave'
    taken.push(ending)
    return 'remove'
  }

  async function takeOver(due: DueEnding, accepts: Accepts, taken: LoginEnding[]): Promise<DueOutcome> {
    const ending = await endings.read(due)
    if (ending === undefined) return 'remove'
    if (ending === 'foreign') return 'leave'
    if (!accepts(ending.record) && isWithin(leftToOthersMs, due.id)) return Math.random() * maxOthersMs
    taken.push(ending)
    // Until it is completed; the claim is its lease.
    return 'leave'
  }

  /** Whether this process first looked at it less than so many milliseconds ago. */
  function isWithin(milliseconds: number, name: string): boolean {
    const firstLook = firstLooks.get(name) ?? Date.now()
    firstLooks.set(name, firstLook)
    return Date.now() - firstLook < milliseconds
  }
}

const leftToOthersMs = 5 * 60_000
/** After how long another process may claim a login that this one does not accept. */
const maxOthersMs = 2000
const missingMs = 60_000
