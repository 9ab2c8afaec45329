import { createHash } from 'node:crypto'
import { messageOf, QlikOAuthError } from '../protocol/errors.ts'

/** The part of an ioredis client that is used: `Redis` (single node, Sentinel) or `Cluster`, version 5 or 6. */
export interface RedisClient extends RedisNode {
  connect(): Promise<unknown>
  on(event: 'ready', listener: () => void): unknown
  off(event: 'ready', listener: () => void): unknown
  /** Present on a Cluster. */
  nodes?(role: 'master'): RedisNode[]
}

/** One server: a client, or a node of a Cluster. */
export interface RedisNode {
  readonly status: string
  /** The connection, where commands of the same moment can be sent in one packet; a Cluster has none of its own. */
  readonly stream?: { cork(): void; uncork(): void } | null
  call(command: string, ...args: (string | number)[]): Promise<unknown>
  duplicate(options?: object): RedisSubscriber
}

/** The part that is used of the connection for announcements. */
export interface RedisSubscriber {
  connect(): Promise<unknown>
  subscribe(...channels: string[]): Promise<unknown>
  on(event: 'message', listener: (channel: string, message: string) => void): unknown
  on(event: 'close' | 'error', listener: () => void): unknown
  disconnect(): void
}

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
 * A command waits for the connection within its limit, so that a short interruption causes no error. It never stays in a
 * queue: neither in the client's own while there is no connection, nor behind thousands of others on a connection that
 * no longer responds.
 */
export function redisCommands(redis: RedisClient, timeoutMs: number): RedisCommands {
  const waiting = new Set<Pending>()
  const overdue = new Set<Pending>()
  const pending = new Set<Pending>()
  let timer: NodeJS.Timeout | undefined
  let corked = false

  function startWaiting(): void {
    const commands = [...waiting]
    waiting.clear()
    for (const command of commands) start(command)
  }
  redis.on('ready', startWaiting)

  function withinLimit(execute: () => Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (redis.status === 'end') return reject(unavailable('the connection is closed'))
      if (overdue.size >= maxOverdue)
        return reject(unavailable(`${overdue.size} commands have had no response in time`))

      const command: Pending = { execute, resolve, reject, deadline: performance.now() + timeoutMs, sent: false }
      pending.add(command)
      if (timer === undefined) timer = setTimeout(rejectOverdue, timeoutMs)
      if (redis.status === 'ready') return start(command)
      waiting.add(command)
      // A client with `lazyConnect` connects at its first command.
      if (redis.status === 'wait') redis.connect().catch(() => {})
    })
  }

  function start(command: Pending): void {
    command.sent = true
    cork()
    command.execute().then(
      reply => {
        settled(command)
        command.resolve(reply)
      },
      error => {
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
      command.reject(
        unavailable(
          command.sent
            ? `no response within ${timeoutMs} ms`
            : `not connected within ${timeoutMs} ms (${redis.status})`,
        ),
      )
    }
  }

  /** Sends the commands of one turn of the event loop in one packet, with one system call. */
  function cork(): void {
    const { stream } = redis
    if (corked || stream === undefined || stream === null) return
    corked = true
    stream.cork()
    setImmediate(() => {
      corked = false
      stream.uncork()
    })
  }

  return {
    send: (command, ...args) => withinLimit(() => redis.call(command, ...args)),
    run: (script, keys, ...args) =>
      withinLimit(async () => {
        try {
          return await redis.call('evalsha', script.sha, keys.length, ...keys, ...args)
        } catch (error) {
          // After a restart or a failover the server does not have the script; EVAL loads it.
          if (!messageOf(error).startsWith('NOSCRIPT')) throw error
          return redis.call('eval', script.lua, keys.length, ...keys, ...args)
        }
      }),
    close() {
      redis.off('ready', startWaiting)
      if (pending.size === 0) clearTimeout(timer)
    },
  }
}

interface Pending {
  readonly execute: () => Promise<unknown>
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: Error) => void
  /** On the clock of `performance.now()`. */
  readonly deadline: number
  sent: boolean
}

/** With this many commands overdue, further ones are rejected at once. */
const maxOverdue = 1000

// The client's own error is not the cause: it carries the arguments of the command.
function unavailable(reason: string): QlikOAuthError {
  return new QlikOAuthError('ERR_STORE_UNAVAILABLE', `Redis is unavailable: ${reason}`, { retryAfterSeconds: 1 })
}
