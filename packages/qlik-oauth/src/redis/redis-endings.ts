import { randomUUID } from 'node:crypto'
import type { LoginEnding, LoginEndReason, LoginRecord } from '../stores/login-store.ts'
import type { RedisCommands } from './redis-commands.ts'
import type { DueEnding, RedisDueIndex } from './redis-due-index.ts'
import type { RedisLoginIndex } from './redis-login-index.ts'
import type { RedisNames } from './redis-names.ts'
import type { RedisRecords } from './redis-records.ts'
import { endLogin, expireLogin, markReported } from './redis-scripts.ts'
import { announcement } from './redis-subscription.ts'

/**
 * Endings of logins: the record is moved, not deleted, and named in the due index, until its end is reported and its
 * tokens are revoked. A process that dies on the way leaves both to the others.
 */
export interface RedisEndings {
  /** `LoginStore.endLogin` */
  end(key: string, reason: LoginEndReason, leaseMs: number): Promise<LoginEnding | undefined>
  /** Ends a login that still has this value. */
  expire(key: string, value: string, record: LoginRecord, leaseMs: number): Promise<LoginEnding | undefined>
  /** Reads an ending that was named in the due index. */
  read(due: DueEnding): Promise<LoginEnding | 'foreign' | undefined>
  markReported(ending: LoginEnding): Promise<void>
  renew(endings: readonly LoginEnding[], leaseMs: number): Promise<void>
  complete(ending: LoginEnding): Promise<void>
}

export interface RedisEndingsOptions {
  readonly commands: RedisCommands
  readonly names: RedisNames
  readonly records: RedisRecords
  readonly dueIndex: RedisDueIndex
  readonly index: RedisLoginIndex
  readonly onUnreadable: (name: string) => void
}

export function redisEndings(options: RedisEndingsOptions): RedisEndings {
  const { commands, names, records, dueIndex, index, onUnreadable } = options
  const { send, run } = commands
  const keyIds = ` ${records.keyIds.join(' ')} `

  /**
   * Sends the entry of the due index ahead of the command that ends the login, in the same packet: an ending is never
   * without its entry. A full Redis refuses the entry, and the login ends nevertheless.
   */
  async function indexed<Reply>(due: DueEnding, leaseMs: number, execute: () => Promise<Reply>): Promise<Reply> {
    const [, ended] = await Promise.allSettled([dueIndex.add(due, leaseMs, 0), execute()])
    if (ended.status === 'rejected') throw ended.reason
    return ended.value
  }

  function discard(due: DueEnding): void {
    dueIndex.remove(due).catch(() => {})
  }

  function keysOf({ key, id }: DueEnding): [ended: string, reported: string] {
    return [names.ending(key, 'ended', id), names.ending(key, 'reported', id)]
  }

  async function drop(due: DueEnding): Promise<void> {
    await Promise.all([send('del', ...keysOf(due)), dueIndex.remove(due)])
  }

  return {
    async end(key, reason, leaseMs) {
      const due = { key, id: randomUUID(), reason }
      const [login, idle, [ended]] = [names.of(key, 'login'), names.of(key, 'idle'), keysOf(due)]
      const change = announcement({ type: 'ended', key })
      const reply = await indexed(due, leaseMs, () =>
        run(endLogin, [login, idle, ended], keyIds, names.channel, change, lifetimeMs),
      )
      if (typeof reply !== 'string') discard(due)
      const value = records.taken(login, reply)
      if (value === undefined) return undefined
      const record = records.unsealLogin(login, value)?.record
      if (record !== undefined) return { ...due, record, reported: false }
      onUnreadable(login)
      await drop(due).catch(() => {})
      return undefined
    },
    async expire(key, value, record, leaseMs) {
      const due: DueEnding = { key, id: randomUUID(), reason: 'expired' }
      const [login, idle, [ended]] = [names.of(key, 'login'), names.of(key, 'idle'), keysOf(due)]
      const change = announcement({ type: 'ended', key })
      const reply = await indexed(due, leaseMs, () =>
        run(expireLogin, [login, idle, ended], value, names.channel, change, lifetimeMs),
      )
      if (reply === 1) return { ...due, record, reported: false }
      discard(due)
      return undefined
    },
    async read(due) {
      const reply = await send('mget', ...keysOf(due))
      const [ended, reported]: unknown[] = Array.isArray(reply) ? reply : []
      const value = ended ?? reported
      if (typeof value !== 'string') return undefined
      const login = names.of(due.key, 'login')
      if (records.isForeign(login, value)) return 'foreign'
      const record = records.unsealLogin(login, value)?.record
      if (record !== undefined) return { ...due, record, reported: typeof ended !== 'string' }
      onUnreadable(login)
      await drop(due).catch(() => {})
      return undefined
    },
    async markReported(ending) {
      await run(markReported, keysOf(ending))
    },
    async renew(endings, leaseMs) {
      await dueIndex.postpone(endings, leaseMs)
    },
    async complete(ending) {
      // In this order: as long as the ending is there, another process can complete it.
      await Promise.all([index.remove(ending.key, ending.record), drop(ending)])
    },
  }
}

/** How long an ending is kept when no process takes it. */
const lifetimeMs = 24 * 3600 * 1000
