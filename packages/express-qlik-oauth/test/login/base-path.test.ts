import { createServer, type RequestListener, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import express5, { type IRouter } from 'express'
import session, { MemoryStore, type SessionOptions } from 'express-session'
import { memoryLoginStore } from 'qlik-oauth'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type QlikAuth, type QlikAuthOptions, qlikAuth, sessionCookie } from '../../src/index.ts'
import { type Balancer, type BalancerRoute, startBalancer } from '../support/balancer.ts'
import { type Browser, browser } from '../support/browser.ts'
import { engineSocket } from '../support/engine-socket.ts'

const express4: typeof express5 = createRequire(import.meta.url)('express-4')

let tenant: SimulatedTenant
let balancer: Balancer
const routes: BalancerRoute[] = []
const closing: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  tenant = await createTenant()
  balancer = await startBalancer(() => routes)
})
afterEach(async () => {
  routes.length = 0
  await Promise.all(closing.splice(0).map(close => close()))
})
afterAll(async () => {
  await balancer.close()
  await tenant.close()
})

interface Parts {
  readonly express: typeof express5
  readonly qlik: QlikAuth
  readonly sessions: SessionOptions
}

/** Mounts everything in an application, as the README does, below `path`. */
function mount(app: IRouter, { qlik, sessions }: Parts, path = '', proxy = true): void {
  if (proxy) app.use(`${path}/qlik`, qlik.proxy())
  app.use(session(sessions))
  app.use(qlik.routes())
  app.get(`${path}/private/:page`, qlik.requireLogin(), (request, response) => {
    response.json({ user: request.qlik?.user.email })
  })
  app.get(`${path}/start`, (_request, response) => void response.send('start'))
}

interface Shape {
  readonly strips: boolean
  build(parts: Parts): RequestListener
}

const shapes: Record<string, Shape> = {
  'in a router': {
    strips: false,
    build(parts) {
      const router = parts.express.Router()
      mount(router, parts)
      return parts.express().use('/portal', router)
    },
  },
  'in a sub-application': {
    strips: false,
    build(parts) {
      const portal = parts.express()
      mount(portal, parts)
      return parts.express().use('/portal', portal)
    },
  },
  'in an application with whole paths': {
    strips: false,
    build(parts) {
      const app = parts.express()
      mount(app, parts, '/portal')
      return app
    },
  },
  'ahead of Express': {
    strips: false,
    build(parts) {
      const router = parts.express.Router()
      mount(router, parts, '', false)
      return parts.qlik.handler(parts.express().use('/portal', router))
    },
  },
  'behind a balancer that removes the path': {
    strips: true,
    build(parts) {
      const app = parts.express()
      mount(app, parts)
      return app
    },
  },
  'behind a balancer that removes the path, ahead of Express': {
    strips: true,
    build(parts) {
      const app = parts.express()
      mount(app, parts, '', false)
      return parts.qlik.handler(app)
    },
  },
}

interface Application {
  readonly url: string
  readonly qlik: QlikAuth
  readonly server: Server
}

interface StartOptions extends Pick<Partial<QlikAuthOptions>, 'store' | 'routes' | 'home'> {
  readonly express?: typeof express5
  readonly path?: string
  readonly session?: Partial<SessionOptions>
}

/** Starts an application behind the balancer, at `path` of its origin. */
async function start(
  { strips, build }: Shape,
  { express = express5, path = '/portal', ...options }: StartOptions = {},
): Promise<Application> {
  const url = balancer.origin + path
  const clientId = `test-${path}`
  const clientSecret = 'secret-of-the-test-application'
  tenant.registerClient({
    clientId,
    clientSecret,
    appType: 'web',
    redirectUris: [`${url}${options.routes?.callback ?? '/auth/callback'}`],
    allowedScopes: ['user_default', 'offline_access'],
  } as never)
  const sessions: SessionOptions = {
    ...sessionCookie(url),
    secret: 'a-session-secret-for-tests',
    store: new MemoryStore(),
    resave: false,
    saveUninitialized: false,
    ...options.session,
  }
  const common = { publicUrl: url, store: memoryLoginStore(), home: '/start', ...options, session: sessions }
  const qlik = qlikAuth({ ...common, tenant: tenant.origin, clientId, clientSecret })
  const server = createServer(build({ express, qlik, sessions }))
  qlik.attach(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  routes.unshift({ prefix: path, port: (server.address() as AddressInfo).port, strips })
  closing.push(async () => {
    await qlik.close({ graceMs: 0 })
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })
  return { url, qlik, server }
}

async function logIn(tab: Browser, page: string, user = 'ada'): Promise<Response> {
  const guarded = await tab.get(page)
  expect(guarded.status).toBe(302)
  const login = await tab.get(guarded.headers.get('location') ?? '')
  expect(login.status).toBe(302)
  return await tab.get(await tenant.authorize(login.headers.get('location') ?? '', user))
}

const logOut = (tab: Browser, url: string) => tab.post(url, '', { accept: 'text/html' })
const sessionOf = async (tab: Browser, { url }: Application) => (await tab.get(`${url}/auth/session`)).json()
const paths = (response: Response) =>
  response.headers.getSetCookie().map(line => [line.split('=', 1)[0], /; Path=([^;]*)/.exec(line)?.[1]])

describe.each(Object.entries(shapes))('an application below a path, %s,', (_where, shape) => {
  it.each([
    ['Express 4', express4],
    ['Express 5', express5],
  ])('logs in and out, and proxies, below it, with %s', async (_title, express) => {
    const application = await start(shape, { express })
    const { url } = application
    const tab = browser()

    const guarded = await tab.get(`${url}/private/a?b=1`)
    expect(guarded.headers.get('location')).toBe(`${url}/auth/login?returnTo=%2Fportal%2Fprivate%2Fa%3Fb%3D1`)
    const callback = await logIn(tab, `${url}/private/a?b=1`)
    expect([callback.status, callback.headers.get('location')]).toEqual([302, '/portal/private/a?b=1'])
    expect(paths(callback)).toEqual([
      [expect.stringMatching(/^qlik-login-portal-\d+-[\da-f]{8}$/), '/portal'],
      ['sid-portal', '/portal'],
    ])
    expect(await (await tab.get(`${url}/private/a`)).json()).toEqual({ user: 'ada@example.com' })
    expect(await sessionOf(tab, application)).toMatchObject({ authenticated: true })
    expect(tab.header(balancer.origin)).toBe('')

    const items = await (await tab.get(`${url}/qlik/api/v1/items?limit=2`)).json()
    expect(items.links.next.href).toMatch(`${url}/qlik/api/v1/items?`)
    expect((await tab.get(items.links.next.href)).status).toBe(200)
    const posted = await tab.request(`${url}/qlik/api/v1/apps`, {
      method: 'POST',
      body: '{"attributes":{"name":"x"}}',
      headers: { 'content-type': 'application/json', origin: balancer.origin },
    })
    expect(posted.status).toBe(200)
    const socket = await engineSocket(url, items.data[0].resourceId, { cookie: tab.header(url) })

    const logout = await logOut(tab, `${url}/auth/logout`)
    expect([logout.status, logout.headers.get('location')]).toEqual([303, '/portal/start'])
    expect(await socket.closed).toBe(4006)
    expect(tab.header(url)).toBe('')
    expect(await sessionOf(tab, application)).toEqual({ authenticated: false })
    expect((await tab.get(`${url}/qlik/api/v1/items`)).status).toBe(401)
  })
})

const stripped: Shape = shapes['behind a balancer that removes the path'] as Shape

describe('two applications of one origin', () => {
  // The same secret and the same stores for both: the hardest case.
  it.each([
    ['beside each other', '/north', '/south'],
    ['one below the other', '/portal', '/portal/admin'],
    ['with similar names', '/portal', '/portal-admin'],
    ['one at the root', '', '/portal'],
  ])('have a login each, %s', async (_where, first, second) => {
    const store = memoryLoginStore()
    const data = {}
    const session = () => ({ store: Object.assign(new MemoryStore(), { sessions: data }) })
    const one = await start(stripped, { path: first, store, session: session() })
    const other = await start(stripped, { path: second, store, session: session() })
    const tab = browser()
    const users = async () => [
      (await sessionOf(tab, one)).user?.email ?? null,
      (await sessionOf(tab, other)).user?.email ?? null,
    ]

    await logIn(tab, `${one.url}/private/a`, 'ada')
    expect(await users()).toEqual(['ada@example.com', null])
    await logIn(tab, `${other.url}/private/a`, 'ben')
    expect(await users()).toEqual(['ada@example.com', 'ben@example.com'])
    await logIn(browser(), `${one.url}/private/a`, 'ada')

    await tab.post(`${other.url}/auth/logout`)
    expect(await users()).toEqual(['ada@example.com', null])
    await logIn(tab, `${other.url}/private/a`, 'ben')
    await tab.post(`${one.url}/auth/logout`)
    expect(await users()).toEqual([null, 'ben@example.com'])
  })
})

describe('a return path below a base path', () => {
  it.each([
    ['as browsers see it', '/portal/private/a', '/portal/private/a'],
    ['as the application sees it', '/private/a', '/portal/private/a'],
    ['that climbs out', '/portal/../other', '/portal/other'],
    ['that climbs out, encoded', '/portal/%2e%2e/other', '/portal/other'],
    ['with two slashes', '/portal//evil.example', '/portal//evil.example'],
    ['to another host', '//evil.example', '/portal/start'],
    ['to another host below it', '/portal/..//evil.example', '/portal/start'],
    ['to the login', '/portal/auth/login', '/portal/start'],
    ['to the logout as the application sees it', '/auth/logout', '/portal/start'],
    ['of another case to the login', '/portal/AUTH/Login', '/portal/start'],
    ['to another path below /auth', '/auth/profile', '/portal/auth/profile'],
  ])('%s stays below it', async (_what, returnTo, expected) => {
    const { url } = await start(stripped)
    const tab = browser()
    const login = await tab.get(`${url}/auth/login?returnTo=${encodeURIComponent(returnTo)}`)
    const callback = await tab.get(await tenant.authorize(login.headers.get('location') ?? '', 'ada'))
    expect([callback.status, callback.headers.get('location')]).toEqual([302, expected])
  })
})

describe('renamed routes', () => {
  const names = { login: '/in', callback: '/qlik-oauth/back', logout: '/out', session: '/qlik-oauth/session' }

  it.each(['', '/portal'])('leave /auth to the application, below %j', async path => {
    const build: Shape['build'] = parts => {
      const app = parts.express()
      app.get('/auth/login', (_request, response) => void response.send('login of the application'))
      mount(app, parts)
      app.post('/auth/logout', (_request, response) => void response.send('logout of the application'))
      return app
    }
    const { url } = await start({ strips: true, build }, { path, routes: names })
    const tab = browser()
    const guarded = await tab.get(`${url}/private/a`)
    expect(guarded.headers.get('location')).toMatch(`${url}/in?returnTo=`)
    const login = await tab.get(guarded.headers.get('location') ?? '')
    expect(new URL(login.headers.get('location') ?? '').searchParams.get('redirect_uri')).toBe(`${url}/qlik-oauth/back`)
    const callback = await tab.get(await tenant.authorize(login.headers.get('location') ?? '', 'ada'))
    expect(callback.headers.get('location')).toBe(`${path}/private/a`)
    expect(await (await tab.get(`${url}/qlik-oauth/session`)).json()).toMatchObject({ authenticated: true })
    expect(await (await tab.get(`${url}/auth/login`)).text()).toBe('login of the application')
    expect(await (await tab.post(`${url}/auth/logout`)).text()).toBe('logout of the application')
    expect((await tab.get(`${url}/auth/callback`)).status).toBe(404)

    expect((await tab.get(`${url}/out`)).status).toBe(405)
    expect((await logOut(tab, `${url}/out`)).status).toBe(303)
    expect(await (await tab.get(`${url}/qlik-oauth/session`)).json()).toEqual({ authenticated: false })
  })
})

describe('tenants below paths of their own', () => {
  it.each([true, false])('have redirect URIs and pages below them (removed by the balancer: %j)', async strips => {
    const tenants = await Promise.all([createTenant(), createTenant()])
    const names = ['north', 'south'] as const
    const clients = tenants.map(({ origin }, index) => ({
      tenant: origin,
      clientId: 'demo-web',
      clientSecret: 'demo-web-secret',
      publicUrl: `${balancer.origin}/${names[index]}`,
    }))
    for (const [index, one] of tenants.entries())
      one.registerClient({
        clientId: 'demo-web',
        clientSecret: 'demo-web-secret',
        appType: 'web',
        redirectUris: [`${clients[index]?.publicUrl}/auth/callback/${new URL(one.origin).host}`],
        allowedScopes: ['user_default', 'offline_access'],
      } as never)
    const sessions = {
      ...sessionCookie(balancer.origin),
      secret: 'a-session-secret-for-tests',
      store: new MemoryStore(),
      resave: false,
      saveUninitialized: false,
    }
    const qlik = qlikAuth({
      tenants: clients,
      // Two servers here stand for what a balancer says in a header.
      tenantOf: request =>
        clients[
          request.headers['x-tenant'] === 'south' || /^\/south/.test(request.originalUrl ?? request.url ?? '') ? 1 : 0
        ]?.tenant,
      publicUrl: balancer.origin,
      session: sessions,
      store: memoryLoginStore(),
    })
    const app = express5()
    const parts = { express: express5, qlik, sessions }
    if (strips) mount(app, parts)
    else for (const name of names) app.use(`/${name}`, mounted(parts))
    const handle = qlik.handler(app)
    for (const name of names) {
      const server = createServer((request, response) => {
        request.headers['x-tenant'] = name
        handle(request, response)
      })
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
      routes.push({ prefix: `/${name}`, port: (server.address() as AddressInfo).port, strips })
      closing.push(() => new Promise(resolve => server.close(resolve)))
    }
    closing.push(() => qlik.close({ graceMs: 0 }), ...tenants.map(one => () => one.close()))

    for (const [index, name] of names.entries()) {
      const tab = browser()
      const url = `${balancer.origin}/${name}`
      const guarded = await tab.get(`${url}/private/a`)
      expect(guarded.headers.get('location')).toBe(`${url}/auth/login?returnTo=%2F${name}%2Fprivate%2Fa`)
      const login = await tab.get(guarded.headers.get('location') ?? '')
      const back = await tenants[index]?.authorize(login.headers.get('location') ?? '', 'ada')
      const callback = await tab.get(back ?? '')
      expect([callback.status, callback.headers.get('location')]).toEqual([302, `/${name}/private/a`])
      expect((await tab.get(`${url}/private/a`)).status).toBe(200)
      const items = await (await tab.get(`${url}/qlik/api/v1/items?limit=2`)).json()
      expect(items.links.next.href).toMatch(`${url}/qlik/api/v1/items?`)
      expect((await logOut(tab, `${url}/auth/logout`)).headers.get('location')).toBe(`/${name}/`)
    }
  })

  function mounted(parts: Parts): IRouter {
    const router = parts.express.Router()
    mount(router, parts, '', false)
    return router
  }
})
