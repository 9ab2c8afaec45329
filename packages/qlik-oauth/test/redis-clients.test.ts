import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { concurrentContract } from './support/concurrent-contract.ts'
import {
  clientForms,
  clusterClients,
  sentinelClients,
  singleClients,
  type TestClient,
} from './support/redis-clients.ts'

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

describe('the README of express-qlik-oauth', () => {
  it('lists the servers with which each client is tested', async () => {
    const readme = await readFile(new URL('../../express-qlik-oauth/README.md', import.meta.url), 'utf8')
    const listed = [...readme.matchAll(/^\| `((?:io)?redis)` (\d) +\| ([^|]+?) +\|/gm)].map(
      ([, name, version, servers = '']) => [
        `${name === 'redis' ? 'node-redis' : name} ${version}`,
        servers.split(', '),
      ],
    )
    const tested = Object.keys(singleClients).map(client => [
      client,
      [
        'single node',
        ...(`a pool of ${client}` in clientForms ? ['pool'] : []),
        ...(client in sentinelClients ? ['Sentinel'] : []),
        ...(client in clusterClients ? ['Cluster'] : []),
      ],
    ])
    expect(listed).toEqual(tested)
  })
})
