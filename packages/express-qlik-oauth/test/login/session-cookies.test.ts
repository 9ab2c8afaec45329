import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { sign } from 'cookie-signature'
import express from 'express'
import session, { MemoryStore, type SessionOptions } from 'express-session'
import { memoryLoginStore } from 'qlik-oauth'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { qlikAuth } from '../../src/index.ts'
import { type Application, startApplication } from '../support/application.ts'
import { type Browser, browser } from '../support/browser.ts'
import { engineSocket } from '../support/engine-socket.ts'

const express4: typeof express = createRequire(import.meta.url)('express-4')
const [newest, older] = ['the-newest-session-secret', 'the-older-session-secret']
const redirectUris = ['http', 'https'].map(scheme => `${scheme}://localhost/auth/callback`)
let tenant: SimulatedTenant
const open: { close(): Promise<unknown> }[] = []

beforeAll(async () => {
  tenant = await createTenant()
  tenant.registerClient({ clientId: 'cookies', clientSecret: 'a-secret', appType: 'web', redirectUris })
})
afterEach(() => Promise.all(open.splice(0).map(one => one.close())))
afterAll(() => tenant.close())

/** An application whose session cookie has these options, behind a balancer that ends TLS where `https` is asked for. */
async function serve(
  version: typeof express,
  sessionOptions: object,
  shared = { store: memoryLoginStore(), sessions: new MemoryStore() },
  publicUrl = 'http://localhost',
): Promise<{ origin: string; server: Server }> {
  const sessions: SessionOptions = {
    name: 'sid',
    secret: newest,
    store: shared.sessions,
    resave: false,
    saveUninitialized: false,
    ...sessionOptions,
  }
  const qlik = qlikAuth({
    tenant: tenant.origin,
    clientId: 'cookies',
    clientSecret: 'a-secret',
    publicUrl,
    session: sessions,
    store: shared.store,
    loginRateLimit: 0,
  })
  const app = version()
  app.set('trust proxy', 1)
  app.use(session(sessions))
  app.use(qlik.routes())
  app.get('/private', qlik.requireLogin(), (request, response) => void response.json({ id: request.sessionID }))
  app.get('/public', qlik.optionalLogin(), (_request, response) => void response.send('public'))
  const server = createServer(app).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  open.push({
    async close() {
      server.close()
      server.closeAllConnections()
      await qlik.close()
    },
  })
  return { origin: `http://localhost:${(server.address() as AddressInfo).port}`, server }
}

const overHttps = { 'x-forwarded-proto': 'https' }

const forged = (id: string) => encodeURIComponent(`s:${sign(id, 'the-secret-of-another')}`)

async function loggedIn(origin: string, headers: Record<string, string> = {}): Promise<Browser> {
  const tab = browser()
  const login = await tab.get(`${origin}/auth/login`, headers)
  const { search } = new URL(await tenant.authorize(login.headers.get('location') ?? '', 'ada'))
  const callback = await tab.get(`${origin}/auth/callback${search}`, headers)
  expect([callback.status, callback.headers.get('location')]).toEqual([302, '/'])
  return tab
}

const sessionCookies = (response: Response) => response.headers.getSetCookie().filter(cookie => /^sid=/.test(cookie))

describe.each([
  ['Express 4', express4],
  ['Express 5', express],
])('%s', (_name, version) => {
  it.each([
    ['sameSite auto', { sameSite: 'auto' }],
    ['secure auto', { secure: 'auto', sameSite: 'auto' }],
    ['a function', () => ({ maxAge: 60_000 })],
    [
      'a function that throws at some requests',
      ({ url = '' }) => {
        if (url.startsWith('/private')) throw new Error('not here')
        return {}
      },
    ],
  ])('survives a forged cookie with %s', async (_what, cookie) => {
    const { origin } = await serve(version, { cookie })
    for (const path of ['/public', '/private', '/auth/session', '/auth/login', '/auth/callback?code=a&state=b']) {
      const response = await browser().get(origin + path, { cookie: 'sid=garbage; sid=s%3Aa.b' })
      expect([path, response.status < 600]).toEqual([path, true])
    }
    expect((await fetch(`${origin}/public`)).status).toBe(200)
  })

  it.each([
    ['sameSite auto', { sameSite: 'auto' }],
    ['secure auto', { secure: 'auto', sameSite: 'auto' }],
    ['a function', () => ({ maxAge: 60_000 })],
  ])('logs in, rotates the secret and logs out with %s', async (_what, cookie) => {
    const shared = { store: memoryLoginStore(), sessions: new MemoryStore() }
    const old = await serve(version, { cookie, secret: older }, shared)
    const rotated = await serve(version, { cookie, secret: [newest, older] }, shared)
    const tab = await loggedIn(old.origin, overHttps)
    const headers = { ...overHttps, cookie: tab.header(old.origin) }
    const page = await browser().get(`${rotated.origin}/private`, headers)
    expect(page.status).toBe(200)
    expect(sessionCookies(page)).toHaveLength(1)
    const logout = await fetch(`${rotated.origin}/auth/logout`, {
      method: 'POST',
      headers: { ...headers, 'sec-fetch-site': 'same-origin', accept: 'application/json' },
    })
    expect([logout.status, sessionCookies(logout)]).toEqual([204, [expect.stringMatching(/^sid=; Max-Age=0/)]])
    expect((await browser().get(`${rotated.origin}/private`, headers)).status).toBe(302)
  })
})

describe('a session cookie that is signed again', () => {
  it.each<[string, unknown, RegExp[], boolean]>([
    ['secure auto over https', { secure: 'auto' }, [/; Secure/], true],
    ['secure auto over http', { secure: 'auto' }, [/^(?!.*Secure)/], false],
    ['sameSite auto over https', { secure: 'auto', sameSite: 'auto' }, [/; Secure/, /; SameSite=None/], true],
    ['maxAge', { maxAge: 3_600_000 }, [/; Expires=/], false],
    [
      'partitioned and priority',
      // As a function: options are checked against publicUrl, which is http here.
      () => ({ secure: 'auto', partitioned: true, priority: 'high' }),
      [/; Partitioned/, /; Priority=High/],
      true,
    ],
    ['a function', () => ({ secure: true, maxAge: 3_600_000 }), [/; Secure/, /; Expires=/], true],
  ])('keeps the attributes of express-session: %s', async (_what, cookie, expected, isHttps) => {
    const shared = { store: memoryLoginStore(), sessions: new MemoryStore() }
    const publicUrl = `${isHttps ? 'https' : 'http'}://localhost`
    const old = await serve(express, { cookie, secret: older }, shared, publicUrl)
    const rotated = await serve(express, { cookie, secret: [newest, older] }, shared, publicUrl)
    const headers = isHttps ? overHttps : {}
    const tab = await loggedIn(old.origin, headers)
    const page = await browser().get(`${rotated.origin}/private`, { ...headers, cookie: tab.header(old.origin) })
    const [resigned = ''] = sessionCookies(page)
    expect(resigned).toMatch(/^sid=s%3A/)
    for (const attribute of expected) expect(resigned).toMatch(attribute)
  })
})

describe('of several session cookies', () => {
  async function start(): Promise<Application> {
    const application = await startApplication(tenant, {
      session: { secret: newest },
      extend: app =>
        app.get('/id', (request, response) => {
          Object.assign(request.session, { seen: true })
          response.send(request.sessionID)
        }),
    })
    open.push(application)
    return application
  }

  async function cookieOf({ origin }: Application): Promise<string> {
    const tab = browser()
    const login = await tab.get(`${origin}/auth/login`)
    await tab.get(await tenant.authorize(login.headers.get('location') ?? '', 'ada'))
    return `sid=${tab.cookies(origin).get('sid')}`
  }

  it.each([
    ['a forged one', 'sid=s%3Aforged.AAAA'],
    ['one of another application', `sid=${encodeURIComponent(`s:${sign('other', 'the-secret-of-another')}`)}`],
    ['one without a login', `sid=${encodeURIComponent(`s:${sign('visitor', newest)}`)}`],
    ['junk', 'sid=junk; sid="'],
  ])('the one with a login counts behind %s: pages, session, REST and sockets', async (_what, first) => {
    const application = await start()
    const { origin } = application
    const own = await cookieOf(application)
    const cookie = `${first}; ${own}`
    const get = (path: string) => browser().get(origin + path, { cookie, accept: 'application/json' })
    expect((await get('/private')).status).toBe(200)
    expect(await (await get('/auth/session')).json()).toMatchObject({ authenticated: true })
    expect((await get('/qlik/api/v1/items?limit=1')).status).toBe(200)
    const socket = await engineSocket(origin, 'SessionApp_any', { cookie })
    expect(own).toContain(await (await get('/id')).text())

    await fetch(`${origin}/auth/logout`, { method: 'POST', headers: { cookie, 'sec-fetch-site': 'same-origin' } })
    expect(await socket.closed).toBe(4006)
    expect((await get('/private')).status).toBe(401)
  })

  it.each([
    ['60 cookies of another application', Array.from({ length: 60 }, (_, at) => `sid=${forged(`id${at}`)}`).join('; ')],
    ['300 that are not signed', Array.from({ length: 300 }, (_, at) => `sid=${at}`).join('; ')],
    ['one of another path with the same value', 'sid=; sid=s%3A'],
  ])('the one with a login counts behind %s, quoted and not', async (_what, first) => {
    const application = await start()
    const own = await cookieOf(application)
    for (const value of [own, own.replace(/sid=(.*)/, 'sid="$1"'), `${own}; ${own}`]) {
      const cookie = `${first}; ${value}; other=1`
      const page = await browser().get(`${application.origin}/private`, { cookie })
      const rest = await browser().get(`${application.origin}/qlik/api/v1/items?limit=1`, { cookie })
      expect([page.status, rest.status]).toEqual([200, 200])
    }
  })

  it('at most 64 are verified, so that a long header costs no more', async () => {
    const application = await start()
    const own = await cookieOf(application)
    const flood = Array.from({ length: 64 }, (_, at) => `sid=${forged(`id${at}`)}`).join('; ')
    const response = await browser().get(`${application.origin}/private`, { cookie: `${flood}; ${own}` })
    expect(response.status).toBe(302)
  })
})

it('two applications on one host leave each other’s cookies alone', async () => {
  const [one, other] = await Promise.all([
    startApplication(tenant, { session: { secret: newest } }),
    startApplication(tenant, { session: { secret: older } }),
  ])
  open.push(one, other)
  const tab = browser()
  const login = await tab.get(`${one.origin}/auth/login`)
  await tab.get(await tenant.authorize(login.headers.get('location') ?? '', 'ada'))
  const cookie = `sid=${tab.cookies(one.origin).get('sid')}`
  for (const path of ['/', '/private', '/auth/session', '/auth/login'])
    expect(sessionCookies(await browser().get(other.origin + path, { cookie }))).toEqual([])

  // A logout at one does not disturb a login that is in progress at the other.
  const started = await tab.get(`${other.origin}/auth/login`)
  await fetch(`${one.origin}/auth/logout`, {
    method: 'POST',
    headers: { cookie: tab.header(one.origin), 'sec-fetch-site': 'same-origin' },
  }).then(response => {
    for (const cleared of response.headers.getSetCookie())
      tab.cookies(one.origin).delete(cleared.split('=', 1)[0] ?? '')
  })
  const finished = await tab.get(await tenant.authorize(started.headers.get('location') ?? '', 'ada'))
  expect([finished.status, finished.headers.get('location')]).toEqual([302, '/'])
})
