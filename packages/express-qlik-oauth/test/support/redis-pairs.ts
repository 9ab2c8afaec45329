import { RedisStore as RedisStore8 } from 'connect-redis'
import { RedisStore as RedisStore9 } from 'connect-redis-9'
import { RedisStore as RedisStore10 } from 'connect-redis-10'
import type { Store } from 'express-session'
import { Redis as Redis6 } from 'ioredis-6'
import type { RedisClient } from 'qlik-oauth'
import * as nodeRedis6 from 'redis'
import * as nodeRedis5 from 'redis-5'
import { connectRedis } from './redis-connection.ts'

/** One client for the login store and for the session store. */
export interface RedisPair {
  readonly client: RedisClient
  readonly sessions: Store
  close(): unknown
}

/** Every client with every version of connect-redis that works with it. The README lists them. */
export const redisPairs: Readonly<Record<string, (url: string) => Promise<RedisPair>>> = {
  async 'ioredis 5, connect-redis 8.1'(url) {
    const client = connectRedis(url)
    return { client, sessions: new RedisStore8({ client }), close: () => client.disconnect() }
  },
  async 'ioredis 6, connect-redis 8.1'(url) {
    const client = new Redis6(url)
    client.on('error', () => {})
    return { client, sessions: new RedisStore8({ client }), close: () => client.disconnect() }
  },
  async 'node-redis 5, connect-redis 9'(url) {
    const client = await nodeRedis5.createClient({ url }).on('error', ignore).connect()
    return { client, sessions: new RedisStore9({ client }), close: () => client.destroy() }
  },
  async 'node-redis 5, connect-redis 10'(url) {
    const client = await nodeRedis5.createClient({ url }).on('error', ignore).connect()
    return { client, sessions: new RedisStore10({ client }), close: () => client.destroy() }
  },
  async 'node-redis 6, connect-redis 9'(url) {
    const client = await nodeRedis6.createClient({ url }).on('error', ignore).connect()
    return { client, sessions: new RedisStore9({ client }), close: () => client.destroy() }
  },
  async 'node-redis 6, connect-redis 10'(url) {
    const client = await nodeRedis6.createClient({ url }).on('error', ignore).connect()
    return { client, sessions: new RedisStore10({ client }), close: () => client.destroy() }
  },
}

function ignore(): void {}
