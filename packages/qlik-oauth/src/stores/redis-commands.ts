import { createHash } from 'node:crypto'
import { messageOf, QlikOAuthError } from '../protocol/errors.ts'

/** What is used of an ioredis client: `Redis` (single node, Sentinel) or `Cluster`, version 5 or 6. */
export interface RedisClient extends RedisNode {
  connect(): Promise<unknown>
  on(event: 'ready', listener: () => void): unknown
  off(event: 'ready', listener: () => void): unknown
  /** Present on a Cluster. */
  nodes?(role: 'master'): RedisNode[]
}

/** One server: a client of its own, or a node of a Cluster. */
export interface RedisNode {
  readonly status: string
  /**
   * The connection. Commands of the same moment go out in one packet where it can be corked; a Cluster has none of its
   * own.
   */
  readonly stream?: { cork(): void; uncork(): void } | null
  call(command: string, ...args: (string | number)[]): Promise<unknown>
  duplicate(options?: object): RedisSubscriber
}

/** What is used of the connection that receives announcements. */
export interface RedisSubscriber {
  connect(): Promise<unknown>
  subscribe(...channels: string[]): Promise<unknown>
  on(event: 'message', listener: (channel: string, message: string) => void): unknown
  on(event: 'close' | 'error', listener: () => void): unknown
  disconnect(): void
}

/** A Lua script that touches exactly one key, so that it runs on Redis Cluster as it is. */
export interface RedisScript {
  readonly lua: string
  readonly sha: string
}

export function redisScript(lua: string): RedisScript {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

/** Commands that are answered in time, or fail with ERR_STORE_UNAVAILABLE. */
export interface RedisCommands {
  send(command: string, ...args: (string | number)[]): Promise<unknown>
  run(script: RedisScript, key: string, ...args: (string | number)[]): Promise<unknown>
  close(): void
}

/**
 * Puts a time limit on the commands of a client, whatever the client does about lost connections.
 *
 * A command waits for the connection within its limit, so that a short interruption goes unnoticed. It is never left in
 * a queue: neither in the client's own while there is no connection, nor behind thousands of others on a connection
 * that has stopped answering.
 */
export function redisCommands(redis: RedisClient, timeoutMs: number): RedisCommands {
  const waiting = new Set<Pending>()
  const overdue = new Set<Pending>()
  const pending = new Set<Pending>()
  let timer: NodeJS.Timeout | undefined
  let corked = false

  function startWaiting() {
    const commands = [...waiting]
    waiting.clear()
    for (const command of commands) start(command)
  }
  redis.on('ready', startWaiting)

  function answered(command: () => Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (redis.status === 'end') return reject(unavailable('the connection was closed'))
      if (overdue.size >= mostOverdue) return reject(unavailable(`${overdue.size} commands were not answered in time`))

      const one: Pending = { command, resolve, reject, until: performance.now() + timeoutMs, sent: false }
      pending.add(one)
      if (timer === undefined) timer = setTimeout(refuseLate, timeoutMs)
      if (redis.status === 'ready') return start(one)
      waiting.add(one)
      // A client made with `lazyConnect` connects at its first command.
      if (redis.status === 'wait') redis.connect().catch(() => {})
    })
  }

  function start(one: Pending): void {
    one.sent = true
    gather()
    one.command().then(
      reply => {
        settled(one)
        one.resolve(reply)
      },
      error => {
        settled(one)
        one.reject(unavailable(messageOf(error)))
      },
    )
  }

  function settled(one: Pending): void {
    pending.delete(one)
    overdue.delete(one)
  }

  /** One timer for all: the limit is the same for each, so the first to be sent is the first to be late. */
  function refuseLate(): void {
    timer = undefined
    const now = performance.now()
    for (const one of pending) {
      if (one.until > now) {
        timer = setTimeout(refuseLate, one.until - now)
        return
      }
      pending.delete(one)
      waiting.delete(one)
      if (one.sent) overdue.add(one)
      one.reject(
        unavailable(
          one.sent ? `no answer within ${timeoutMs} ms` : `not connected within ${timeoutMs} ms (${redis.status})`,
        ),
      )
    }
  }

  /**
   * Requests that arrive together ask Redis together: one packet and one system call, sent before the process looks for
   * more to do.
   */
  function gather(): void {
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
    send: (command, ...args) => answered(() => redis.call(command, ...args)),
    run: (script, key, ...args) =>
      answered(async () => {
        try {
          return await redis.call('evalsha', script.sha, 1, key, ...args)
        } catch (error) {
          // After a restart or a failover the server does not know the script yet; EVAL makes it known.
          if (!messageOf(error).startsWith('NOSCRIPT')) throw error
          return redis.call('eval', script.lua, 1, key, ...args)
        }
      }),
    close() {
      redis.off('ready', startWaiting)
      if (pending.size === 0) clearTimeout(timer)
    },
  }
}

interface Pending {
  readonly command: () => Promise<unknown>
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: Error) => void
  /** On the clock of `performance.now()`. */
  readonly until: number
  sent: boolean
}

/** With so many unanswered commands on their way, further ones are refused at once. */
const mostOverdue = 1000

// The client's own error stays out: it carries the arguments of the command.
function unavailable(why: string): QlikOAuthError {
  return new QlikOAuthError('ERR_STORE_UNAVAILABLE', `Redis does not answer: ${why}`, { retryAfterSeconds: 1 })
}
