import { randomBytes } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { browser } from '../support/browser.ts'
import { type RedisApplication, startRedisApplication } from '../support/redis-application.ts'
import { loggedIn } from '../support/visitor.ts'

let tenant: SimulatedTenant
let redis: RedisServer
let application: RedisApplication
/** A callback whose authorization response was not used, and the cookies of the browser that it belongs to. */
let callback: string
/** The Cookie header of a login that has ended. */
let ended: string

beforeAll(async () => {
  ;[tenant, redis] = await Promise.all([createTenant(), startRedis()])
  application = await startRedisApplication(tenant, redis.url, [randomBytes(32).toString('base64')], {
    loginRateLimit: 3,
  })
  const { origin } = application
  const visitor = await loggedIn(tenant, origin)
  ended = visitor.cookie()
  await visitor.logOut(origin)
  const login = await browser().get(`${origin}/auth/login`)
  callback = await tenant.authorize(login.headers.get('location') ?? '', 'ada')
})
afterAll(async () => {
  await application.close()
  await Promise.all([tenant.close(), redis.stop()])
})

const forged = () => `sid=s%3A${randomBytes(24).toString('base64url')}.${randomBytes(32).toString('base64url')}`
const paths = ['/qlik/api/v1/items', '/private', '/auth/session', '/']
const get = (path: string, cookie?: string) =>
  browser().get(application.origin + path, cookie === undefined ? {} : { cookie })
const stale = (changes: Record<string, string>) => {
  const url = new URL(callback)
  for (const [name, value] of Object.entries(changes)) url.searchParams.set(name, value)
  return browser().get(url.href)
}

/** An upgrade request. @returns The status that it is refused with. */
function upgrade(cookie?: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      origin: application.origin,
      ...(cookie === undefined ? {} : { cookie }),
    }
    httpRequest(`${application.origin}/qlik/app/any`, { headers })
      .once('response', response => resolve(response.resume().statusCode))
      .once('error', reject)
      .end()
  })
}

const requests = 60

/**
 * What an outsider can send, one request at a time or all at once, with the most commands that a request costs Redis,
 * those inside scripts included. None costs the tenant anything.
 */
const floods: readonly [what: string, commands: number, send: (index: number) => Promise<unknown>][] = [
  ['requests without a cookie', 0, index => get(paths[index % paths.length] ?? '')],
  ['requests with forged session cookies', 0, index => get(paths[index % paths.length] ?? '', forged())],
  [
    'requests with 50 forged cookies',
    0,
    () => get('/qlik/api/v1/items', Array.from({ length: 50 }, forged).join('; ')),
  ],
  ['requests with the cookie of an ended login', 1, () => get('/qlik/api/v1/items', ended)],
  ['upgrades without a cookie', 0, () => upgrade()],
  ['upgrades with forged cookies', 0, () => upgrade(forged())],
  ['upgrades with the cookie of an ended login', 1, () => upgrade(ended)],
  [
    'logouts with forged cookies',
    0,
    () => browser().post(`${application.origin}/auth/logout`, '', { cookie: forged() }),
  ],
  ['callbacks with garbage', 0, index => stale({ state: randomBytes(20 * (index + 1)).toString('base64url') })],
  ['callbacks with an altered state', 0, () => stale({ state: `${new URL(callback).searchParams.get('state')}x` })],
  ['callbacks in a browser that started no login', 0, () => stale({})],
  [
    'callbacks with forged cookies',
    0,
    () => browser().get(callback, { cookie: `qlik-login-x=${'a'.repeat(200)}; ${forged()}` }),
  ],
  // Over the limit: one counter, by a script of two or three commands.
  ['logins', 4, () => browser().get(`${application.origin}/auth/login?returnTo=/private/${'a'.repeat(500)}`)],
]

describe('a flood of', () => {
  it.each(floods)('%s costs Redis %s commands a request at most, and the tenant none', async (_what, bound, send) => {
    // The limit of logins is used up, and connections are open.
    for (let index = 0; index < 5; index++) await send(index)
    const { redis: connection } = application
    const requestsBefore = tenant.requests.length
    const before = [await commands(), await connection.dbsize()] as const
    await Promise.all(Array.from({ length: requests }, (_, index) => send(index)))
    const after = [await commands(), await connection.dbsize()] as const
    // Sweeps for expired logins, a few a minute, go on.
    expect((after[0] - before[0] - sweepCommands) / requests).toBeLessThanOrEqual(bound)
    expect(after[1]).toBeLessThanOrEqual(before[1])
    expect(tenant.requests.slice(requestsBefore)).toEqual([])
  })
})

const sweepCommands = 30

/** Commands that Redis has carried out, apart from those of this count. */
async function commands(): Promise<number> {
  const found = [...(await application.redis.info('commandstats')).matchAll(/cmdstat_([^:]+):calls=(\d+)/g)]
  return found
    .filter(([, name = '']) => !/^(?:info|dbsize|ping|subscribe|command)/.test(name))
    .reduce((sum, [, , calls]) => sum + Number(calls), 0)
}
