import { once } from 'node:events'
import { createRequire } from 'node:module'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import express, { type ErrorRequestHandler, type RequestHandler } from 'express'
import session, { MemoryStore } from 'express-session'
import { memoryLoginStore } from 'qlik-oauth'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { WebSocket } from 'ws'
import { qlikAuth, sessionCookie } from '../../src/index.ts'
import { startApplication } from '../support/application.ts'
import { browser } from '../support/browser.ts'
import { closeAll, closing, get, httpServer } from '../support/wire.ts'

const cookieSession: (options: object) => RequestHandler = createRequire(import.meta.url)('cookie-session')

afterEach(closeAll)

function parts(publicUrl = 'http://localhost:3000') {
  const sessions = {
    ...sessionCookie(publicUrl),
    secret: 'a-session-secret-for-tests',
    store: new MemoryStore(),
    resave: false,
    saveUninitialized: false,
  }
  const client = { tenant: 'https://acme.eu.qlikcloud.com', clientId: 'a', clientSecret: 'b' }
  const qlik = qlikAuth({ ...client, publicUrl, session: sessions, store: memoryLoginStore() })
  closing(() => qlik.close({ graceMs: 0 }))
  const warnings: string[] = []
  qlik.on('warning', ({ message }) => warnings.push(message))
  return { qlik, sessions, warnings }
}

const failed: ErrorRequestHandler = (error, _request, response, _next) => {
  response.status(error.status ?? 500).send(`${error.code}`)
}

describe('what is attached or handled', () => {
  it.each([undefined, null, {}, 3000, express(), 'http://localhost:3000'])('%p is no server', server => {
    expect(() => Reflect.apply(parts().qlik.attach, undefined, [server])).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION', message: expect.stringContaining('app.listen(3000)') }),
    )
  })

  it.each([undefined, null, {}, 3000])('%p is no application', app => {
    expect(() => Reflect.apply(parts().qlik.handler, undefined, [app])).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION', message: expect.stringContaining('express()') }),
    )
  })
})

it('cookie-session before session(), which leaves it alone, is an error that names it before the login', async () => {
  const { qlik, sessions } = parts()
  let message = ''
  const named: ErrorRequestHandler = (error, request, response, next) => {
    message = String(error.message)
    failed(error, request, response, next)
  }
  const app = express()
    .use(cookieSession({ secret: 'a-secret-of-its-own' }), session(sessions), qlik.routes())
    .use(named)
  const { port } = await httpServer(app)
  expect(await get(port, '/auth/login', { host: 'localhost:3000', accept: 'text/html' })).toMatchObject({
    status: 500,
    body: 'ERR_CONFIGURATION',
  })
  expect(message).toMatch(/^req\.session belongs to other middleware, such as cookie-session/)
})

describe('a proxy below another path than its mount', () => {
  it('is an error with advice, and one warning', async () => {
    const { qlik, warnings } = parts()
    const app = express().use('/analytics', qlik.proxy()).use(failed)
    const { port } = await httpServer(app)
    for (const path of ['/analytics/api/v1/items', '/analytics/api/v1/apps', '/Analytics/api'])
      expect(await get(port, path)).toMatchObject({ status: 500, body: 'ERR_CONFIGURATION' })
    expect(warnings[0]).toBe(
      'qlik.proxy() is mounted at "/analytics", but its mount is "/qlik": call app.use("/qlik", qlik.proxy()), or set mount (and publicUrl, if it has a path) to where it is.',
    )
    expect(warnings.filter(message => message.includes('"/analytics"'))).toHaveLength(1)
    expect((await get(port, '/other')).status).toBe(404)
  })

  it.each([
    ['at the root', '/', 'http://localhost:3000'],
    ['in a router of the base path', '/portal', 'http://localhost:3000/portal'],
  ])('is none %s', async (_where, path, publicUrl) => {
    const { qlik, warnings } = parts(publicUrl)
    const app = express().use(path, express.Router().use(qlik.proxy()))
    const base = path === '/' ? '' : path
    const { port } = await httpServer(app)
    expect((await get(port, `${base}/other`)).status).toBe(404)
    expect((await get(port, `${base}/QLIK/api/v1/items`)).status).toBe(404)
    expect((await get(port, `${base}/qlik/api/v1/items`)).status).toBe(401)
    expect(warnings).toEqual([])
  })
})

describe('routes below a path that publicUrl lacks', () => {
  it('are an error with advice, and leave other requests alone', async () => {
    const { qlik, sessions, warnings } = parts()
    const router = express.Router().use(session(sessions)).use(qlik.routes())
    const app = express().use('/portal', router).use(failed)
    const { port } = await httpServer(app)
    for (let times = 0; times < 2; times++)
      expect(await get(port, '/portal/auth/login')).toMatchObject({ status: 500, body: 'ERR_CONFIGURATION' })
    expect((await get(port, '/portal/other')).status).toBe(404)
    expect(warnings).toEqual([
      'qlik.routes() is mounted below "/portal", a path that publicUrl (http://localhost:3000) lacks: mount it at the root, or add the path to publicUrl.',
    ])
  })
})

describe('WebSockets', () => {
  const handshake = { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' }

  it('without attach() are an error with advice', async () => {
    const { qlik, warnings } = parts()
    const { port } = await httpServer(qlik.handler(express()))
    const socket = new WebSocket(`ws://127.0.0.1:${port}/qlik/app/1`)
    socket.on('error', () => {})
    const [, response] = await once(socket, 'unexpected-response')
    expect(response.statusCode).toBe(500)
    expect(warnings).toEqual([
      'WebSocket upgrades are not handled: call qlik.attach(server) with the server that listens.',
    ])
  })

  it('whose Upgrade header a balancer removed are an error that names it', async () => {
    const { qlik, warnings } = parts()
    const { port, server } = await httpServer(qlik.handler(express()))
    qlik.attach(server)
    const response = await get(port, '/qlik/app/1', handshake)
    expect([response.status, response.body]).toEqual([426, expect.stringContaining('The balancer must pass')])
    expect(warnings).toHaveLength(1)
    expect((await get(port, '/qlik/api/v1/items')).status).toBe(401)
  })

  it('without proxy() or handler() raise a warning', async () => {
    const { qlik, warnings } = parts()
    const { port, server } = await httpServer(express())
    qlik.attach(server)
    for (let times = 0; times < 2; times++) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/qlik/app/1`)
      socket.on('error', () => {})
      await once(socket, 'unexpected-response')
    }
    expect(warnings).toEqual([expect.stringMatching(/^qlik\.attach\(server\) serves WebSockets only: mount app\.use/)])
  })
})

describe('a login under another name of this server', () => {
  let tenant: SimulatedTenant
  beforeAll(async () => {
    tenant = await createTenant()
  })
  afterAll(() => tenant.close())

  it.each([
    ['a guarded page', '/private/a?b=1', '/private/a?b=1'],
    ['the login', '/auth/login?returnTo=%2Fprivate%2Fa', '/private/a'],
  ])('that begins at %s ends at publicUrl', async (_where, path, page) => {
    const application = await startApplication(tenant)
    closing(() => application.close())
    const tab = browser()
    let response = await tab.get(application.origin.replace('localhost', '127.0.0.1') + path)
    while (!response.headers.get('location')?.startsWith(tenant.origin)) {
      expect(response.status).toBe(302)
      response = await tab.get(response.headers.get('location') ?? '')
    }
    const callback = await tab.get(await tenant.authorize(response.headers.get('location') ?? '', 'ada'))
    expect([callback.status, callback.headers.get('location')]).toEqual([302, page])
    expect((await tab.get(application.origin + page)).status).toBe(200)
  })

  it('is sent to publicUrl once, since a balancer may replace the Host header', async () => {
    const application = await startApplication(tenant, { publicUrl: 'http://app.localhost:3000' })
    closing(() => application.close())
    const first = await browser().get(`${application.origin}/auth/login?returnTo=%2Fa`)
    const location = first.headers.get('location') ?? ''
    expect(location).toBe('http://app.localhost:3000/auth/login?returnTo=%2Fa&sent=1')
    const again = await browser().get(application.origin + new URL(location).pathname + new URL(location).search)
    expect(again.headers.get('location')).toMatch(tenant.origin)
  })

  it('is not sent elsewhere for a script', async () => {
    const application = await startApplication(tenant, { publicUrl: 'http://app.localhost:3000' })
    closing(() => application.close())
    const login = await browser().get(`${application.origin}/auth/login`, { accept: '*/*' })
    expect(login.headers.get('location')).toMatch(tenant.origin)
  })
})
