import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { MemoryStore, type SessionOptions } from 'express-session'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { until } from 'test-support/until'
import { WebSocket } from 'ws'
import { type Application, startApplication } from '../support/application.ts'
import { type Browser, browser } from '../support/browser.ts'

const maxAge = 60_000
let tenant: SimulatedTenant
let now = Date.now()
const { now: realNow } = Date
const open: Application[] = []

beforeAll(async () => {
  tenant = await createTenant()
})
afterEach(async () => {
  Date.now = realNow
  await Promise.all(open.splice(0).map(one => one.close()))
})
afterAll(() => tenant.close())

async function start(session: Partial<SessionOptions> = {}): Promise<{ application: Application; tab: Browser }> {
  const application = await startApplication(tenant, {
    session: { rolling: true, cookie: { maxAge }, ...session },
    extend: app =>
      app.get('/data', (request, response) => {
        Object.assign(request.session, { basket: 'full' })
        response.json(request.session)
      }),
  })
  open.push(application)
  const tab = browser()
  const login = await tab.get(`${application.origin}/auth/login`)
  await tab.get(await tenant.authorize(login.headers.get('location') ?? '', 'ada'))
  return { application, tab }
}

const call = async ({ origin }: Application, tab: Browser, path = '/qlik/api/v1/items?limit=1'): Promise<Response> => {
  const response = await tab.get(origin + path, { accept: 'application/json' })
  await response.arrayBuffer()
  return response
}
const cookieOf = (response: Response) => response.headers.getSetCookie().filter(cookie => cookie.startsWith('sid='))
const expiryOf = (cookie = '') => Date.parse(/Expires=([^;]+)/.exec(cookie)?.[1] ?? '')

/** Calls the tenant until a response has a cookie. */
async function renewed(application: Application, tab: Browser): Promise<string> {
  let cookie: string | undefined
  await until(async () => {
    ;[cookie] = cookieOf(await call(application, tab))
    return cookie !== undefined
  })
  return cookie ?? ''
}

function advance(milliseconds: number): void {
  now = realNow() + milliseconds
  Date.now = () => now
}

describe('a rolling session', () => {
  it('is renewed by proxied requests, with the same id, once per tenth of its time', async () => {
    const { application, tab } = await start()
    const value = tab.cookies(application.origin).get('sid')
    const first = await renewed(application, tab)
    expect(first).toMatch(/^sid=s%3A.*; Path=\/; Expires=.*; HttpOnly$/)
    expect(tab.cookies(application.origin).get('sid')).toBe(value)
    for (const response of await Promise.all([1, 2, 3].map(() => call(application, tab)))) {
      expect(response.status).toBe(200)
      expect(cookieOf(response)).toEqual([])
    }

    advance(maxAge / 10 + 1000)
    const second = await renewed(application, tab)
    expect(expiryOf(second) - expiryOf(first)).toBeGreaterThanOrEqual(maxAge / 10)
    expect(Math.abs(expiryOf(second) - now - maxAge)).toBeLessThan(2000)
  })

  it('of two requests at once one gets the cookie, privately', async () => {
    const { application, tab } = await start()
    await renewed(application, tab)
    advance(maxAge / 10 + 1000)
    const cookies: string[] = []
    await until(async () => {
      for (const response of await Promise.all([1, 2, 3].map(() => call(application, tab)))) {
        cookies.push(...cookieOf(response))
        expect(response.headers.get('cache-control')).toMatch(/private|no-store/)
      }
      return cookies.length > 0
    })
    expect(cookies).toHaveLength(1)
  })

  it('keeps the data of the session in its store too', async () => {
    const { application, tab } = await start()
    await call(application, tab, '/data')
    for (let times = 1; times <= 4; times++) {
      advance(times * (maxAge / 2))
      await renewed(application, tab)
    }
    expect(await (await tab.get(`${application.origin}/data`)).json()).toMatchObject({ basket: 'full' })
  })

  it('follows the time limit of the session itself', async () => {
    const store = new MemoryStore()
    const { application, tab } = await start({ store })
    const id =
      decodeURIComponent(tab.cookies(application.origin).get('sid') ?? '')
        .slice(2)
        .split('.', 1)[0] ?? ''
    await new Promise<void>((resolve, reject) =>
      store.get(id, (_error, data) => {
        if (!data) return reject(new Error('no session'))
        data.cookie.originalMaxAge = 10 * maxAge
        store.set(id, data, () => resolve())
      }),
    )
    expect(expiryOf(await renewed(application, tab)) - realNow()).toBeGreaterThan(9 * maxAge)
  })

  it('is renewed by /auth/session and by an accepted upgrade', async () => {
    const { application, tab } = await start()
    expect(cookieOf(await call(application, tab, '/auth/session'))).toHaveLength(1)

    let cookies: string[] = []
    await until(async () => {
      const socket = new WebSocket(`${application.origin.replace('http', 'ws')}/qlik/app/SessionApp_test`, {
        headers: { cookie: tab.header(application.origin), origin: application.origin },
      })
      const upgraded = new Promise<string[]>(resolve =>
        socket.once('upgrade', ({ headers }) => resolve(headers['set-cookie'] ?? [])),
      )
      socket.on('error', () => {})
      cookies = await upgraded
      socket.terminate()
      return cookies.length > 0
    })
    expect(cookies).toEqual([expect.stringMatching(/^sid=s%3A.*Expires=/)])
  })
})

describe('no cookie is sent with proxied responses', () => {
  it.each([
    ['without rolling', { rolling: false }],
    ['without maxAge', { cookie: {} }],
  ])('%s', async (_what, session) => {
    const { application, tab } = await start(session)
    for (let times = 0; times < 5; times++) expect(cookieOf(await call(application, tab))).toEqual([])
  })

  it('to a request without a login', async () => {
    const { application } = await start()
    expect(cookieOf(await call(application, browser()))).toEqual([])
  })
})
