import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Express } from 'express'
import { redisLoginStore } from 'qlik-oauth'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { startAll } from 'test-support/start-all'
import { promptly } from 'test-support/until'
import { type Application, startApplication } from '../support/application.ts'
import { publicUrl, settingsFor, startApplicationProcess } from '../support/application-processes.ts'
import { type RedisPair, redisPairs } from '../support/redis-pairs.ts'
import { loggedIn } from '../support/visitor.ts'

const keys = [randomBytes(32).toString('base64')]
let redis: RedisServer
let tenant: SimulatedTenant

beforeAll(async () => {
  ;[redis, tenant] = await startAll(startRedis(), createTenant())
})
afterAll(() => Promise.all([tenant.close(), redis.stop()]))

describe.each(Object.entries(redisPairs))('an application with %s', (pair, connect) => {
  let here: RedisPair
  let there: RedisPair
  let applications: [Application, Application]

  beforeAll(async () => {
    here = await connect(redis.url)
    there = await connect(redis.url)
    const options = ({ client, sessions }: RedisPair) => ({
      publicUrl,
      loginRateLimit: 0,
      store: redisLoginStore(client, { keys, prefix: `${pair.replaceAll(/[ ,]+/g, '-')}:`, commandTimeoutMs: 10_000 }),
      session: { store: sessions },
      extend: countVisits,
    })
    applications = [await startApplication(tenant, options(here)), await startApplication(tenant, options(there))]
  })
  afterAll(async () => {
    for (const application of applications) await application.close()
    for (const one of [here, there]) await one.close()
  })

  it('logs a user in, keeps the session, and ends login and socket everywhere at the logout', async () => {
    const [first, second] = applications
    const visitor = await loggedIn(tenant, first.origin, 'ada', publicUrl)
    expect((await visitor.call(second.origin, '/private')).status).toBe(200)
    expect(await visitor.mayCall(second.origin)).toBe(true)
    expect(await (await visitor.call(first.origin, '/visits')).json()).toBe(1)
    expect(await (await visitor.call(second.origin, '/visits')).json()).toBe(2)
    const socket = await visitor.openSocket(first.origin)
    expect((await visitor.logOut(second.origin)).status).toBe(204)
    expect(await promptly(socket.closed)).toBe(4006)
    expect(await visitor.mayCall(first.origin)).toBe(false)
    expect((await visitor.call(first.origin, '/private')).status).not.toBe(200)
  })
})

it('several processes with node-redis share logins, and one refresh', async () => {
  const pair = 'node-redis 6, connect-redis 10'
  const settings = { ...settingsFor(tenant, redis.url, keys), pair }
  const processes = await startAll(startApplicationProcess(settings), startApplicationProcess(settings))
  const [{ origin }, other] = processes
  try {
    const visitor = await loggedIn(tenant, origin, 'ada', publicUrl)
    expect(await visitor.mayCall(other.origin)).toBe(true)
    expect((await visitor.call(other.origin, '/private')).status).toBe(200)
    tenant.expireAccessTokens()
    const before = tenant.tokenRequests('refresh_token').length
    const answers = await Promise.all(
      processes.flatMap(one => [visitor.mayCall(one.origin), visitor.mayCall(one.origin)]),
    )
    expect(answers).toEqual([true, true, true, true])
    expect(tenant.tokenRequests('refresh_token').length).toBe(before + 1)
    const socket = await visitor.openSocket(origin)
    await visitor.logOut(other.origin)
    expect(await promptly(socket.closed)).toBe(4006)
  } finally {
    await Promise.all(processes.map(one => one.stop()))
  }
})

/** Counts in the application's own session. */
function countVisits(app: Express): void {
  app.get('/visits', (request, response) => {
    const visits = Number(Reflect.get(request.session, 'visits') ?? 0) + 1
    Reflect.set(request.session, 'visits', visits)
    response.json(visits)
  })
}

describe('README.md', () => {
  it('lists the versions of connect-redis that are tested with each client', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
    const rows = [...readme.matchAll(/^\| `(?:io)?redis` (\d) .*\| ([\d., or]+) +\|$/gm)]
    const listed = rows.flatMap(([row, version, stores = '']) => {
      const client = row.startsWith('| `ioredis`') ? 'ioredis' : 'node-redis'
      return stores
        .trim()
        .split(' or ')
        .map(store => `${client} ${version}, connect-redis ${store}`)
    })
    expect(listed.sort()).toEqual(Object.keys(redisPairs).sort())
  })
})
