import { createHash } from 'node:crypto'
import { messageOf, QlikOAuthError } from '../protocol/errors.ts'
import type { RedisConnection } from './clients/redis-connection.ts'

/** A Lua script whose keys share one slot, so that it runs on Redis Cluster. */
export interface RedisScript {
  readonly lua: string
  readonly sha: string
}

export function redisScript(lua: string): RedisScript {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

/** Commands that settle within the time limit. All of them throw ERR_STORE_UNAVAILABLE. */
export interface RedisCommands {
  send(command: string, ...args: (string | number)[]): Promise<unknown>
  /** @param keys Keys of one slot. */
  run(script: RedisScript, keys: readonly string[], ...args: (string | number)[]): Promise<unknown>
  close(): void
}

/**
 * Puts a time limit on the commands of a client, however the client treats lost connections.
 *
 * A command waits for the connection within its limit, and is sent again when the connection is lost, so that a short
 * interruption causes no error. It never stays in a queue: neither in the client's own while there is no connection, nor
 * behind thousands of others on a connection that no longer responds.
 */
export function redisCommands(redis: RedisConnection, timeoutMs: number): RedisCommands {
  const waiting = new Set<Pending>()
  const overdue = new Set<Pending>()
  const pending = new Set<Pending>()
  let timer: NodeJS.Timeout | undefined
  let poll: NodeJS.Timeout | undefined

  function withinLimit(key: string | undefined, execute: () => Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const status = redis.status(key)
      if (status === 'closed') return reject(unavailable('the connection is closed'))
      if (overdue.size >= maxOverdue)
        return reject(unavailable(`${overdue.size} commands have had no response in time`))

      const command: Pending = { key, execute, resolve, reject, deadline: performance.now() + timeoutMs, sent: false }
      pending.add(command)
      if (timer === undefined) timer = setTimeout(rejectOverdue, timeoutMs)
      if (status === 'ready') start(command)
      else wait(command)
    })
  }

  function wait(command: Pending): void {
    command.sent = false
    waiting.add(command)
    poll ??= setTimeout(startWaiting, pollMs)
  }

  /** Not every kind of client tells when it is ready again, so it is asked while commands wait. */
  function startWaiting(): void {
    for (const command of waiting) {
      if (redis.status(command.key) !== 'ready') continue
      waiting.delete(command)
      start(command)
    }
    poll = waiting.size > 0 ? setTimeout(startWaiting, pollMs) : undefined
  }

  function start(command: Pending): void {
    command.sent = true
    command.execute().then(
      reply => {
        settled(command)
        command.resolve(reply)
      },
      error => {
        // node-redis rejects the commands of a lost connection; ioredis sends them again by itself.
        if (pending.has(command) && redis.status(command.key) === 'connecting') return wait(command)
        settled(command)
        command.reject(unavailable(messageOf(error)))
      },
    )
  }

  function settled(command: Pending): void {
    pending.delete(command)
    overdue.delete(command)
  }

  /** One timer for all commands: the limit is the same for each, so they become overdue in the order of sending. */
  function rejectOverdue(): void {
    timer = undefined
    const now = performance.now()
    for (const command of pending) {
      if (command.deadline > now) {
        timer = setTimeout(rejectOverdue, command.deadline - now)
        return
      }
      pending.delete(command)
      waiting.delete(command)
      if (command.sent) overdue.add(command)
      command.reject(unavailable(`${command.sent ? 'no response' : 'not connected'} within ${timeoutMs} ms`))
    }
  }

  return {
    send(command, ...args) {
      const texts = args.map(String)
      const key = command === 'ping' ? undefined : texts[0]
      return withinLimit(key, async () => redis.send(key, [command, ...texts]))
    },
    run(script, keys, ...args) {
      const texts = [String(keys.length), ...keys, ...args.map(String)]
      return withinLimit(keys[0], async () => {
        try {
          return await redis.send(keys[0], ['evalsha', script.sha, ...texts])
        } catch (error) {
          // After a restart or a failover the server does not have the script; EVAL loads it.
          if (!messageOf(error).startsWith('NOSCRIPT')) throw error
          return redis.send(keys[0], ['eval', script.lua, ...texts])
        }
      })
    },
    close() {
      if (pending.size > 0) return
      clearTimeout(timer)
      clearTimeout(poll)
    },
  }
}

interface Pending {
  readonly key: string | undefined
  readonly execute: () => Promise<unknown>
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: Error) => void
  /** On the clock of `performance.now()`. */
  readonly deadline: number
  sent: boolean
}

const pollMs = 20
/** With this many commands overdue, further ones are rejected at once. */
const maxOverdue = 1000

// The client's own error is not the cause: it carries the arguments of the command.
function unavailable(reason: string): QlikOAuthError {
  return new QlikOAuthError('ERR_STORE_UNAVAILABLE', `Redis is unavailable: ${reason}`, { retryAfterSeconds: 1 })
}
