import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { sign } from 'cookie-signature'
import { loginKey } from 'qlik-oauth/internal'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { freePort } from 'test-support/free-port'
import { launch, type RedisServer, startRedis } from 'test-support/redis-server'
import { promptly, until } from 'test-support/until'
import { sessionSecret } from '../support/application.ts'
import { browser } from '../support/browser.ts'
import { startDelayProxy } from '../support/delay-proxy.ts'
import {
  type RedisApplication,
  type RedisApplicationOptions,
  startRedisApplication,
} from '../support/redis-application.ts'
import { loggedIn, sessionIdOf, type Visitor } from '../support/visitor.ts'

const keys = [randomBytes(32).toString('base64')]
let tenant: SimulatedTenant
const closing: (() => unknown)[] = []

beforeAll(async () => {
  tenant = await createTenant()
})
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})
afterAll(() => tenant.close())

async function redis(): Promise<RedisServer> {
  const server = await startRedis()
  closing.push(server.stop)
  return server
}

async function start(url: string, options: RedisApplicationOptions = {}): Promise<RedisApplication> {
  const application = await startRedisApplication(tenant, url, keys, options)
  closing.push(application.close)
  return application
}

async function everythingUp() {
  const server = await redis()
  const application = await start(server.url)
  return { server, application, visitor: await loggedIn(tenant, application.origin) }
}

/** Requests with a cookie get 503 with Retry-After in time and keep the cookie; public pages are served. */
async function expectUnavailable({ origin, qlik }: RedisApplication, cookie: string): Promise<void> {
  const headers = { cookie, 'sec-fetch-site': 'same-origin' }
  const [rest, page, session, ready, anonymous, home] = await promptly(
    Promise.all([
      fetch(`${origin}/qlik/api/v1/items`, { headers }),
      fetch(`${origin}/private`, { headers: { ...headers, accept: 'text/html' }, redirect: 'manual' }),
      fetch(`${origin}/auth/session`, { headers }),
      qlik.ready().catch(error => error),
      fetch(`${origin}/qlik/api/v1/items`),
      fetch(`${origin}/`),
    ]),
  )
  expect([rest, page, session, anonymous, home].map(({ status }) => status)).toEqual([503, 503, 503, 401, 200])
  expect(Number(rest.headers.get('retry-after'))).toBeGreaterThan(0)
  expect([rest, page, session].map(response => response.headers.get('set-cookie'))).toEqual([null, null, null])
  expect(ready).toMatchObject({ code: 'ERR_STORE_UNAVAILABLE', status: 503 })
}

const untilReady = ({ qlik }: RedisApplication) =>
  until(() =>
    qlik.ready().then(
      () => true,
      () => false,
    ),
  )

const works = (application: RedisApplication, visitor: Visitor) =>
  visitor.call(application.origin).then(({ status }) => status === 200)

describe('an application whose Redis', () => {
  it('is down at the start responds 503 in time, and is ready when Redis is', async () => {
    const port = await freePort()
    const application = await start(`redis://127.0.0.1:${port}`)
    await expectUnavailable(application, `sid=${encodeURIComponent(`s:${sign('somebody', sessionSecret)}`)}`)
    expect((await browser().get(`${application.origin}/auth/login`)).status).toBe(503)
    closing.push((await launch(['save ""'], { port })).stop)
    await untilReady(application)
    const visitor = await loggedIn(tenant, application.origin)
    expect(await works(application, visitor)).toBe(true)
  })

  it('dies and comes back empty responds 503 in time, then asks users to log in again', async () => {
    const { server, application, visitor } = await everythingUp()
    await server.kill()
    await expectUnavailable(application, visitor.cookie())
    await server.restart()
    await until(async () => (await visitor.call(application.origin)).status === 401)
    expect(await works(application, await loggedIn(tenant, application.origin))).toBe(true)
  })

  it('hangs responds 503 in time without a pile-up, and continues with the same login', async () => {
    const { server, application, visitor } = await everythingUp()
    server.pause()
    await expectUnavailable(application, visitor.cookie())
    const responses = await promptly(Promise.all(Array.from({ length: 200 }, () => visitor.call(application.origin))))
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([503]))
    server.resume()
    await until(() => works(application, visitor))
  })

  it('hangs in the middle of a request completes the response in time', async () => {
    const server = await redis()
    const application = await start(server.url, {
      extend: app => {
        app.get('/quiet', (_request, response) => {
          server.pause()
          response.send('quiet')
        })
        app.get('/visit', (request, response) => {
          Object.assign(request.session, { seen: true })
          server.pause()
          response.send('seen')
        })
      },
    })
    const visitor = await loggedIn(tenant, application.origin)
    for (const [path, text] of [
      ['/quiet', 'quiet'],
      ['/visit', 'seen'],
    ]) {
      const response = await promptly(visitor.call(application.origin, path))
      expect(await promptly(response.text().catch(() => text))).toBe(text)
      server.resume()
      await until(() => works(application, visitor))
    }
  })

  it('is 200 ms away responds to a proxied call after one round trip', async () => {
    const server = await redis()
    const far = await startDelayProxy(server.port, 200)
    closing.push(far.close)
    const application = await start(`redis://127.0.0.1:${far.port}`)
    await untilReady(application)
    const visitor = await loggedIn(tenant, application.origin)
    await works(application, visitor)
    const before = far.roundTrips()
    expect((await visitor.call(application.origin)).status).toBe(200)
    expect(far.roundTrips()).toBe(before + 1)
  })

  it('became a replica serves logged-in users, responds 503 to logins and logouts in time, and works when it is the master again', async () => {
    const { server, application, visitor } = await everythingUp()
    const admin = application.redis.duplicate({ reconnectOnError: null })
    closing.push(() => admin.disconnect())
    await admin.call('replicaof', '127.0.0.1', await freePort())
    expect(await works(application, visitor)).toBe(true)
    expect((await promptly(browser().get(`${application.origin}/auth/login`))).status).toBe(503)
    const refused = await promptly(visitor.logOut(application.origin))
    expect([refused.status, refused.headers.get('retry-after'), refused.headers.get('set-cookie')]).toEqual([
      503,
      '1',
      null,
    ])
    await admin.call('replicaof', 'no', 'one')
    await until(() => works(application, visitor))
    expect(server.port).toBeGreaterThan(0)
  })

  it('is out of memory refuses new logins, and serves and ends existing ones', async () => {
    const { application, visitor } = await everythingUp()
    await application.redis.config('SET', 'maxmemory-policy', 'noeviction')
    await application.redis.config('SET', 'maxmemory', '1')
    const login = await browser().get(`${application.origin}/auth/login`)
    expect([login.status, await login.text()]).toEqual([503, 'ERR_STORE_UNAVAILABLE'])
    expect(await works(application, visitor)).toBe(true)
    expect((await visitor.logOut(application.origin)).status).toBe(204)
    await application.redis.config('SET', 'maxmemory', '0')
    expect(await visitor.mayCall(application.origin)).toBe(false)
  })

  it('runs out of memory before a refresh is stored serves the new token and stores it later', async () => {
    const { application, visitor } = await everythingUp()
    tenant.expireAccessTokens()
    const before = tenant.tokenRequests('refresh_token').length
    const { injected, release } = tenant.faults.next({ grant: 'refresh_token', hold: true })
    const called = visitor.call(application.origin)
    await injected
    await application.redis.config('SET', 'maxmemory', '1')
    release()
    expect((await called).status).toBe(200)
    expect(application.named('saveFailed')).toHaveLength(1)
    expect(await works(application, visitor)).toBe(true)
    await application.redis.config('SET', 'maxmemory', '0')
    const key = loginKey(sessionIdOf(visitor.cookie()))
    await until(async () => (await application.store.readLogin(key))?.version === 2)
    expect(await works(application, visitor)).toBe(true)
    expect(tenant.tokenRequests('refresh_token')).toHaveLength(before + 1)
  })

  it('evicted a login redirects to the login, and one that evicted session data does not', async () => {
    const { application, visitor } = await everythingUp()
    const id = sessionIdOf(visitor.cookie())
    await application.redis.del(`sess:${id}`)
    expect((await visitor.call(application.origin, '/private')).status).toBe(200)
    await application.redis.del(`qlik:{${loginKey(id)}}:login`)
    expect(await visitor.mayCall(application.origin)).toBe(false)
    expect((await visitor.browser.get(`${application.origin}/private`)).headers.get('location')).toBe(
      `${application.origin}/auth/login?returnTo=%2Fprivate`,
    )
  })

  it('restarts during a login restarts that login once, with the same return path', async () => {
    const server = await redis()
    const application = await start(server.url)
    const tab = browser()
    const login = await tab.get(`${application.origin}/auth/login?returnTo=/private/7`)
    const callback = await tenant.authorize(login.headers.get('location') ?? '', 'ada')
    // `once` of node:events would reject when an attempt to connect fails.
    const reconnected = new Promise(resolve => application.redis.once('ready', resolve))
    await server.restart()
    await reconnected
    const again = await tab.get(callback)
    expect(again.headers.get('location')).toContain(`${tenant.origin}/oauth/authorize`)
    const back = await tab.get(await tenant.authorize(again.headers.get('location') ?? '', 'ada'))
    expect([back.status, back.headers.get('location')]).toEqual([302, '/private/7'])
  })
})

describe('Redis', () => {
  it('gets one command for a proxied request', async () => {
    const { application, visitor } = await everythingUp()
    await works(application, visitor)
    await application.redis.config('RESETSTAT')
    for (let times = 0; times < 10; times++) expect(await works(application, visitor)).toBe(true)
    expect(await commands(application)).toEqual({ mget: 10 })
  })

  it('gets nothing from anonymous visitors', async () => {
    const application = await start((await redis()).url)
    await application.qlik.ready()
    await application.redis.config('RESETSTAT')
    for (const path of ['/', '/private', '/auth/session', '/auth/callback?code=a&state=b', '/qlik/api/v1/items']) {
      const response = await browser().get(application.origin + path)
      expect(response.headers.get('set-cookie')).toBeNull()
    }
    expect(await commands(application)).toEqual({})
    expect(await application.redis.dbsize()).toBe(0)
  })

  it('holds no more keys than the rate limit under a flood of logins, all with a TTL', async () => {
    const application = await start((await redis()).url, { loginRateLimit: 20, commandTimeoutMs: 10_000 })
    const responses = await Promise.all(
      Array.from({ length: 300 }, () => browser().get(`${application.origin}/auth/login`)),
    )
    expect(responses.filter(({ status }) => status === 302)).toHaveLength(20)
    expect(
      responses.filter(({ status, headers }) => status === 429 && headers.get('set-cookie') === null),
    ).toHaveLength(280)
    const names = await application.redis.keys('*')
    expect(names).toHaveLength(21)
    for (const name of names) expect(await application.redis.ttl(name)).toBeGreaterThan(0)
  })
})

async function commands({ redis: connection }: RedisApplication): Promise<Record<string, number>> {
  const found = [...(await connection.info('commandstats')).matchAll(/cmdstat_([^:]+):calls=(\d+)/g)]
  return Object.fromEntries(
    found.flatMap(([, name = '', calls]) => (/^(config|info)/.test(name) ? [] : [[name, Number(calls)]])),
  )
}
