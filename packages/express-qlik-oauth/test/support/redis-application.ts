import { RedisStore } from 'connect-redis'
import type { Redis } from 'ioredis'
import { type LoginStore, redisLoginStore } from 'qlik-oauth'
import type { SimulatedTenant } from 'qlik-tenant-simulator'
import { type Application, type ApplicationOptions, startApplication } from './application.ts'
import { connectRedis } from './redis-connection.ts'

export interface RedisApplication extends Application {
  readonly redis: Redis
  readonly store: LoginStore
  /** Keys that the login store found unreadable. */
  readonly unreadable: readonly string[]
  /** Keys whose values the login store found sealed with an unknown key. */
  readonly unknownKeys: readonly string[]
}

export interface RedisApplicationOptions extends ApplicationOptions {
  /** Of the login store. @default that of `redisLoginStore` */
  readonly commandTimeoutMs?: number
}

/** An application in this process, mounted as in the README, with sessions and logins in Redis. */
export async function startRedisApplication(
  tenant: SimulatedTenant,
  url: string,
  keys: readonly string[],
  { commandTimeoutMs, ...options }: RedisApplicationOptions = {},
): Promise<RedisApplication> {
  const redis = connectRedis(url)
  const unreadable: string[] = []
  const unknownKeys: string[] = []
  const store = redisLoginStore(redis, {
    keys,
    ...(commandTimeoutMs !== undefined && { commandTimeoutMs }),
    onEvent(event) {
      if (event.type === 'unreadableRecord') unreadable.push(event.key)
      else if (event.type === 'unknownKey') unknownKeys.push(event.key)
    },
  })
  const application = await startApplication(tenant, {
    loginRateLimit: 0,
    ...options,
    store,
    session: { store: new RedisStore({ client: redis }) },
  })
  return {
    ...application,
    redis,
    store,
    unreadable,
    unknownKeys,
    async close() {
      await application.close()
      await store.close()
      redis.disconnect()
    },
  }
}
