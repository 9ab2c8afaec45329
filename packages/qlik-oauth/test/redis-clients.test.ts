import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe } from '@jest/globals'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { concurrentContract } from './support/concurrent-contract.ts'
import { clientForms, singleClients, type TestClient } from './support/redis-clients.ts'

const keys = [randomBytes(32).toString('base64')]
let server: RedisServer

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())

describe.each(Object.entries({ ...singleClients, ...clientForms }))('a Redis login store with %s', (_, make) => {
  let connected: TestClient

  beforeAll(async () => {
    connected = make(server)
    await connected.connect()
  })
  afterAll(async () => void (await connected.close()))

  concurrentContract(() => connected.client, keys)
})
