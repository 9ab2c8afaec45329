import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type Child, startChild } from 'test-support/child'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { startAll } from 'test-support/start-all'
import { startTokenEndpoint, type TokenEndpoint } from './support/token-endpoint.ts'

const machineProcess = new URL('support/machine-process.ts', import.meta.url)
let redis: RedisServer
let endpoint: TokenEndpoint
let processes: Child[] = []

beforeAll(async () => {
  ;[redis, endpoint] = await startAll(startRedis(), startTokenEndpoint())
  const environment = { TENANT: endpoint.origin, REDIS: redis.url, KEYS: randomBytes(32).toString('base64') }
  processes = await startAll(...Array.from({ length: 4 }, () => startChild(machineProcess, environment)))
})

afterAll(async () => {
  await Promise.all(processes.map(one => one.stop()))
  await endpoint.close()
  await redis.stop()
})

describe('one token for four processes', () => {
  it('is requested once, even when the token endpoint takes longer than three leases', async () => {
    endpoint.respond(() => new Promise(resolve => setTimeout(resolve, 3500, undefined)))
    const received = await Promise.all(processes.map(one => requestTokens(one, '')))
    expect(new Set(received.flat())).toEqual(new Set(['token-1']))
    expect(received.flat()).toHaveLength(100)
    expect(endpoint.requests).toHaveLength(1)
  })

  it('is renewed once when the tenant rejects it in every process', async () => {
    endpoint.respond(() => undefined)
    const received = await Promise.all(processes.map(one => requestTokens(one, 'token-1')))
    expect(new Set(received.flat())).toEqual(new Set(['token-2']))
    expect(endpoint.requests).toHaveLength(2)
  })
})

async function requestTokens(child: Child, line: string): Promise<readonly string[]> {
  return JSON.parse(await child.ask(line))
}
