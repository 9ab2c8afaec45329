import type { LoginRecord } from '../stores/login-store.ts'
import type { RedisCommands } from './redis-commands.ts'
import type { RedisDueIndex } from './redis-due-index.ts'
import type { RedisNames } from './redis-names.ts'
import { addToUserLogins, removeFromUserLogins } from './redis-scripts.ts'

/** Finds logins without their session: by user, for administrators, and by time, for the end of logins. */
export interface RedisLoginIndex {
  /**
   * Call it before the login is written: a login that is not in the index could not be ended by an administrator, or by
   * the clock.
   */
  add(key: string, record: LoginRecord, dueInMs: number): Promise<void>
  /** Never throws: the login has ended, and an entry that stays expires with the index. */
  remove(key: string, record: LoginRecord): Promise<void>
  keysOf(tenant: string, userId: string): Promise<readonly string[]>
}

export interface RedisLoginIndexOptions {
  readonly commands: RedisCommands
  readonly names: RedisNames
  /** Newest first. */
  readonly keyIds: readonly string[]
  readonly dueIndex: RedisDueIndex
}

export function redisLoginIndex({ commands, names, keyIds, dueIndex }: RedisLoginIndexOptions): RedisLoginIndex {
  const { send, run } = commands
  const [newest = ''] = keyIds

  return {
    async add(key, { tenant, user, endsAt }, dueInMs) {
      const leftMs = Math.max(0, endsAt - Date.now())
      await Promise.all([
        run(addToUserLogins, [names.userLogins(newest, tenant, user.id)], Date.now(), endsAt, key),
        dueIndex.add({ key, endsAt }, Math.min(dueInMs, leftMs), leftMs),
      ])
    },
    async remove(key, { tenant, user, endsAt }) {
      const lists = keyIds.map(keyId => names.userLogins(keyId, tenant, user.id))
      await Promise.allSettled([
        ...lists.map(list => run(removeFromUserLogins, [list], endsAt, key)),
        dueIndex.remove({ key, endsAt }),
      ])
    },
    async keysOf(tenant, userId) {
      const lists = keyIds.map(keyId => names.userLogins(keyId, tenant, userId))
      const keys = await Promise.all(lists.map(list => send('zrange', list, 0, -1)))
      return [...new Set(keys.flat().map(String))]
    },
  }
}
