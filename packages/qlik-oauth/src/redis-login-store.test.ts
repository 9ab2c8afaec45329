import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { type RedisServer, startRedis } from '../test/support/redis-server.ts'
import { loginStoreContract } from './login-store-contract.ts'
import { redisLoginStore } from './redis-login-store.ts'

const keys = [randomBytes(32).toString('base64')]
let server: RedisServer
let redis: Redis

beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.url)
})

afterAll(async () => {
  redis.disconnect()
  await server.stop()
})

loginStoreContract('redis login store', () => redisLoginStore(redis, { keys }), { describe, it })
