import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import express from 'express'
import { MemoryStore } from 'express-session'
import { memoryLoginStore, QlikOAuthError } from 'qlik-oauth'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { type IncomingRequest, qlikAuth, type TenantOptions } from '../../src/index.ts'
import { type Application, type ApplicationOptions, startApplication } from '../support/application.ts'
import { type Browser, browser } from '../support/browser.ts'
import { engineSocket } from '../support/engine-socket.ts'
import { startRedisApplication } from '../support/redis-application.ts'

type Name = 'north' | 'south'
const names: readonly Name[] = ['north', 'south']
type Own = Partial<Record<Name, Pick<TenantOptions, 'proxy' | 'sockets'>>>

let tenants: Record<Name, SimulatedTenant>
let redis: RedisServer
const open: Application[] = []

beforeAll(async () => {
  tenants = { north: await createTenant(), south: await createTenant() }
  redis = await startRedis()
})
afterEach(() => Promise.all(open.splice(0).map(application => application.close())))
afterAll(() => Promise.all([...names.map(name => tenants[name].close()), redis.stop()]))

/** The choice at the login, or a header. Requests of browsers to `/qlik` name no tenant. */
const tenantOf = ({ url = '', headers }: IncomingRequest) => {
  const choice = headers['x-tenant'] ?? new URL(url, 'http://app.invalid').searchParams.get('tenant')
  return names.includes(choice as Name) ? tenants[choice as Name].origin : undefined
}

const optionsOf = (own: Own) => ({
  tenantOf,
  tenants: names.map(name => ({
    tenant: tenants[name].origin,
    clientId: 'shop',
    clientSecret: `secret-of-the-${name}`,
    ...own[name],
  })),
})

function welcomed<A extends Application>(application: A): A {
  open.push(application)
  for (const name of names) {
    tenants[name].registerClient({
      clientId: 'shop',
      clientSecret: `secret-of-the-${name}`,
      appType: 'web',
      redirectUris: [`${application.origin}/auth/callback/${new URL(tenants[name].origin).host}`],
    })
  }
  return application
}

const start = async (own: Own, options: ApplicationOptions = {}) =>
  welcomed(await startApplication(tenants.north, { ...optionsOf(own), ...options }))

async function loggedIn({ origin }: Application, name: Name): Promise<Browser> {
  const tab = browser()
  const login = await tab.get(`${origin}/auth/login?tenant=${name}`)
  const callback = await tab.get(await tenants[name].authorize(login.headers.get('location') ?? '', 'ada'))
  expect(callback.status).toBe(302)
  return tab
}

const bothLoggedIn = (application: Application) => Promise.all(names.map(name => loggedIn(application, name)))
const items = '/qlik/api/v1/items?limit=1'
const spaces = '/qlik/api/v1/spaces?limit=1'
const me = '/qlik/api/v1/users/me'
const requests = () => names.map(name => tenants[name].requests.length)

/** Status of a request from a page of the application. */
const ask = async (tab: Browser, { origin }: Application, path: string, init: RequestInit = {}) => {
  const response = await tab.request(origin + path, {
    ...init,
    headers: { 'sec-fetch-site': 'same-origin', ...init.headers },
  })
  await response.arrayBuffer()
  return response.status
}

const socketOf = (tab: Browser, { origin }: Application) =>
  engineSocket(origin, 'SessionApp_any', { cookie: tab.header(origin) })

describe('the proxies of many tenants', () => {
  it('apply the path rules of the tenant of the login', async () => {
    const application = await start({ north: { proxy: { allow: ['/api/v1/items'] } } })
    const [north, south] = await bothLoggedIn(application)
    const statuses = (tab: Browser | undefined) =>
      Promise.all([items, spaces, me].map(path => ask(tab ?? browser(), application, path)))
    const [atNorth, atSouth] = await Promise.all([statuses(north), statuses(south)])
    expect(atNorth).toEqual([200, 403, 403])
    expect(atSouth).toEqual([200, 200, 302])
  })

  it('apply the same path rules when the request names the tenant', async () => {
    const application = await start({ north: { proxy: { allow: ['/api/v1/items'] } } })
    const [north = browser(), south = browser()] = await bothLoggedIn(application)
    const at = (name: Name) => ({ headers: { 'x-tenant': name } })
    expect(await ask(north, application, items, at('north'))).toBe(200)
    expect(await ask(north, application, spaces, at('north'))).toBe(403)
    expect(await ask(south, application, spaces, at('south'))).toBe(200)
    expect(await ask(north, application, spaces, at('south'))).toBe(401)
    expect(await ask(south, application, items, at('north'))).toBe(401)
  })

  it("override the application's options with the tenant's, field by field", async () => {
    const application = await start(
      {
        north: { proxy: { limits: { bodyBytes: 10 } } },
        south: { proxy: { limits: { urlBytes: 4000 }, allow: undefined } as never },
      },
      { proxy: { allow: ['/api/v1/spaces', '/api/v1/items'], limits: { urlBytes: 100, bodyBytes: 1000 } } },
    )
    const [north = browser(), south = browser()] = await bothLoggedIn(application)
    const long = `${items}&name=${'x'.repeat(100)}`
    expect([await ask(north, application, long), await ask(south, application, long)]).toEqual([414, 200])
    const space = {
      method: 'POST',
      body: JSON.stringify({ name: 'a space', type: 'shared' }),
      headers: { 'content-type': 'application/json' },
    }
    expect([
      await ask(north, application, '/qlik/api/v1/spaces', space),
      await ask(south, application, '/qlik/api/v1/spaces', space),
    ]).toEqual([413, 201])
    const large = { ...space, body: JSON.stringify({ name: 'x'.repeat(1000), type: 'shared' }) }
    expect(await ask(south, application, '/qlik/api/v1/spaces', large)).toBe(413)
    expect([await ask(north, application, me), await ask(south, application, me)]).toEqual([403, 403])
  })

  it('limit the sockets of each tenant separately', async () => {
    const application = await start({ north: { sockets: { maxSockets: 1 } } })
    const [north = browser(), south = browser()] = await bothLoggedIn(application)
    const [first, ...others] = await Promise.all([
      socketOf(north, application),
      socketOf(south, application),
      socketOf(south, application),
    ])
    await expect(socketOf(north, application)).rejects.toThrow('503')
    expect(await first?.call(-1, 'EngineVersion')).toHaveProperty('result')
    for (const socket of [first, ...others]) socket?.close()
  })

  it('respond 401 without a login, whatever the path rules, and contact no tenant', async () => {
    const application = await start({
      north: { proxy: { allow: ['/api/v1/items'] } },
      south: { proxy: { limits: { urlBytes: 10 } } },
    })
    const tab = browser()
    const before = requests()
    const nobody = await fetch(application.origin + spaces)
    expect([nobody.status, await nobody.json()]).toEqual([
      401,
      { errors: [expect.objectContaining({ code: 'login_required' })], traceId: expect.any(String) },
    ])
    expect(await ask(tab, application, '/qlik/anything/else')).toBe(401)
    expect(await ask(tab, application, '/qlik/oauth/token')).toBe(403)
    expect(await ask(tab, application, '/qlik/api/..%2f..%2foauth')).toBe(400)
    expect(await ask(tab, application, items, { headers: { 'sec-fetch-site': 'cross-site' } })).toBe(403)
    await expect(socketOf(tab, application)).rejects.toThrow('401')
    expect(requests()).toEqual(before)
  })

  it('respond 503 to REST and upgrades while the store is unavailable', async () => {
    const store = memoryLoginStore()
    let away = false
    const readLogin: typeof store.readLogin = (...given) =>
      away
        ? Promise.reject(new QlikOAuthError('ERR_STORE_UNAVAILABLE', 'The store does not respond'))
        : store.readLogin(...given)
    const application = await start({}, { store: { ...store, readLogin } })
    const tab = await loggedIn(application, 'south')
    away = true
    expect(await ask(tab, application, items)).toBe(503)
    await expect(socketOf(tab, application)).rejects.toThrow('503')
    away = false
    expect(await ask(tab, application, items)).toBe(200)
  })

  it('read the store once per request, also where the login decides', async () => {
    const application = welcomed(await startRedisApplication(tenants.north, redis.url, ['k'.repeat(43)], optionsOf({})))
    const [north = browser(), south = browser()] = await bothLoggedIn(application)
    await application.redis.config('RESETSTAT')
    for (const tab of [north, south, north, south, north]) expect(await ask(tab, application, items)).toBe(200)
    const stats = await application.redis.info('commandstats')
    const calls = [...stats.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)].map(([, name = '', count]) => `${name} ${count}`)
    expect(calls.filter(call => !/^(config|info)/.test(call))).toEqual(['mget 5'])
  })

  it('do not read the store for requests outside the mount', async () => {
    const store = memoryLoginStore()
    let reads = 0
    const readLogin: typeof store.readLogin = (...given) => {
      reads += 1
      return store.readLogin(...given)
    }
    const application = await start({}, { store: { ...store, readLogin } })
    const tab = await loggedIn(application, 'north')
    const app = express()
    app.use(application.qlik.proxy())
    app.use((_request, response) => void response.send('the application'))
    const server = createServer(app).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const origin = `http://localhost:${(server.address() as AddressInfo).port}`
    reads = 0
    expect(await (await tab.get(`${origin}/elsewhere`)).text()).toBe('the application')
    expect(reads).toBe(0)
    expect((await tab.get(origin + items)).status).toBe(200)
    expect(reads).toBe(1)
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })

  it('share a server with those of another qlikAuth', async () => {
    const first = await start({})
    const second = qlikAuth({
      ...optionsOf({}),
      publicUrl: first.origin,
      session: { secret: 'another-secret-for-tests', store: new MemoryStore() },
      store: memoryLoginStore(),
      mount: '/other',
    })
    second.attach(first.server)
    const tab = await loggedIn(first, 'south')
    const cookie = tab.header(first.origin)
    const socket = await socketOf(tab, first)
    socket.close()
    const upgrade = {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    }
    const raw = async (path: string) => {
      const sent = request(first.origin + path, { headers: { ...upgrade, cookie, origin: first.origin } }).end()
      const [response] = await once(sent, 'response')
      response.resume()
      return response.statusCode
    }
    expect([await raw('/other/app/any'), await raw('/nowhere')]).toEqual([401, 404])
    await second.close()
  })

  it('name the tenant in their events', async () => {
    const application = await start({ north: { proxy: { allow: ['/api/v1/items'] } } })
    const heard: unknown[] = []
    application.qlik.on('proxy', ({ code, tenant }) => heard.push([code, tenant]))
    application.qlik.on('socket', event => heard.push([event.type, event.tenant]))
    const [north = browser(), south = browser()] = await bothLoggedIn(application)
    await ask(north, application, spaces)
    await ask(south, application, '/qlik/nowhere')
    await ask(browser(), application, items)
    const socket = await socketOf(south, application)
    socket.close()
    await socket.closed
    await expect(socketOf(browser(), application)).rejects.toThrow('401')
    expect(heard.filter(event => !(event as string[]).includes('closed'))).toEqual([
      ['ERR_PATH_NOT_ALLOWED', tenants.north.origin],
      ['ERR_PATH_NOT_ALLOWED', tenants.south.origin],
      ['ERR_LOGIN_REQUIRED', undefined],
      ['opened', tenants.south.origin],
      ['refused', undefined],
    ])
  })

  it.each<[string, object, string]>([
    ['a path rule', { proxy: { allow: ['api'] } }, 'allow[0]'],
    ['an empty list', { proxy: { allow: [] } }, 'allow'],
    ['a limit', { proxy: { limits: { urlBytes: -1 } } }, 'limits.urlBytes'],
    ['a timeout', { proxy: { timeouts: { connectMs: 0 } } }, 'timeouts.connectMs'],
    ['a socket option', { sockets: { maxSockets: 0 } }, 'maxSockets'],
    ['options that are none', { proxy: 'all of it' }, 'proxy'],
    ['a public URL', { publicUrl: 'https://app.example.com/north?a=1' }, 'publicUrl'],
    ['a client', { clientId: '' }, 'clientId'],
  ])('name the tenant whose options are wrong: %s', (_what, wrong, option) => {
    const good = { tenant: 'https://acme.eu.qlikcloud.com', clientId: 'a' }
    const make = (second: object, common: object = {}) =>
      qlikAuth({
        tenants: [good, { ...good, tenant: 'https://other.eu.qlikcloud.com', ...second }],
        tenantOf: () => undefined,
        publicUrl: 'https://app.example.com',
        session: { secret: 'a-session-secret-for-tests', store: new MemoryStore() },
        store: memoryLoginStore(),
        ...common,
      })
    expect(() => make({})).not.toThrow()
    expect(() => make(wrong)).toThrow(
      expect.objectContaining({
        code: 'ERR_CONFIGURATION',
        message: expect.stringMatching(/^tenants\[1\] \(https:\/\/other\.eu\.qlikcloud\.com\): /),
      }),
    )
    expect(() => make(wrong)).toThrow(option)
    if ('publicUrl' in wrong || 'clientId' in wrong) return
    // An error in the application's own options names no tenant.
    expect(() => make({}, wrong)).not.toThrow(/tenants\[/)
  })
})
