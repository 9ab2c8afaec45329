import { RedisStore } from 'connect-redis'
import { type LoginStore, memoryLoginStore, redisLoginStore, sessionCookie } from 'express-qlik-oauth'
import { MemoryStore, type SessionOptions } from 'express-session'
import type { Logger } from 'pino'
import type { Environment } from './environment.ts'
import { connectRedis } from './redis-connection.ts'

/** The stores of sessions and logins: both in Redis, or both in memory. */
export interface Stores {
  readonly sessions: SessionOptions
  readonly logins: LoginStore
  close(): Promise<void>
}

export function openStores(environment: Environment, logger: Logger): Stores {
  const { absoluteSeconds, publicUrl, redisUrl, sessionSecrets, tokenKeys } = environment
  const options = { ...sessionCookie(publicUrl), secret: [...sessionSecrets], resave: false, saveUninitialized: false }
  if (redisUrl === undefined) {
    const logins = memoryLoginStore()
    return { sessions: { ...options, store: new MemoryStore() }, logins, close: () => logins.close() }
  }

  const redis = connectRedis(redisUrl, error => logger.warn({ reason: error.message }, 'redis connection'))
  const logins = redisLoginStore(redis, { keys: tokenKeys, onEvent: ({ type, ...event }) => logger.warn(event, type) })
  return {
    sessions: { ...options, store: new RedisStore({ client: redis, ttl: absoluteSeconds }) },
    logins,
    async close() {
      await logins.close()
      redis.disconnect()
    },
  }
}
