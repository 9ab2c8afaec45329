import { createRequire } from 'node:module'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import express5 from 'express'
import { MemoryStore } from 'express-session'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type Application, type ApplicationOptions, startApplication } from '../support/application.ts'
import { type Browser, browser } from '../support/browser.ts'
import { type OwnSession, ownLogin, ownSession } from '../support/own-login.ts'

const express4: typeof express5 = createRequire(import.meta.url)('express-4')

let tenant: SimulatedTenant
const open: Application[] = []

beforeAll(async () => {
  tenant = await createTenant()
})
afterEach(async () => {
  tenant.faults.clear()
  await Promise.all(open.splice(0).map(application => application.close()))
})
afterAll(() => tenant.close())

async function start(options: ApplicationOptions = {}) {
  const application = await startApplication(tenant, {
    ...options,
    extend: (app, qlik) => {
      ownLogin(app)
      options.extend?.(app, qlik)
    },
  })
  open.push(application)
  const tab = browser()
  return { ...application, tab, own: ownSession(tab, application.origin) }
}

/** Logs in at the tenant, up to the callback. @returns The URL of the callback. */
async function authorized(tab: Browser, origin: string, user = 'ada'): Promise<string> {
  const login = await tab.get(`${origin}/auth/login`)
  return await tenant.authorize(login.headers.get('location') ?? '', user)
}

async function logIn(tab: Browser, origin: string, user = 'ada'): Promise<void> {
  expect((await tab.get(await authorized(tab, origin, user))).status).toBe(302)
}

async function isLoggedIn(tab: Browser, origin: string, cookie?: string): Promise<boolean> {
  const headers = { 'sec-fetch-site': 'same-origin', ...(cookie === undefined ? {} : { cookie }) }
  const session = (await (await tab.get(`${origin}/auth/session`, headers)).json()) as { authenticated: boolean }
  const rest = await tab.get(`${origin}/qlik/api/v1/items?limit=1`, headers)
  expect([200, 401]).toContain(rest.status)
  expect(session.authenticated).toBe(rest.status === 200)
  return session.authenticated
}

async function fill(own: OwnSession): Promise<Record<string, unknown>> {
  expect(await own.logIn('pat')).toBe(204)
  expect(await own.post('cart', { add: 'apple' })).toBe(204)
  return await own.data()
}

describe.each([
  ['Express 4', express4],
  ['Express 5', express5],
])('beside a login of the application, with %s', (_title, framework) => {
  it('a Qlik login changes the session id and keeps the user, the cart and the CSRF secret', async () => {
    const { tab, own, origin } = await start({ framework })
    const before = await fill(own)
    const oldCookie = tab.header(origin)
    await logIn(tab, origin)

    expect(await own.data()).toEqual(before)
    expect(before).toMatchObject({ user: { name: 'pat' }, cart: ['apple'] })
    expect(tab.cookies(origin).get('sid')).not.toBe(/(?<=sid=)[^;]+/.exec(oldCookie)?.[0])
    expect(await isLoggedIn(tab, origin)).toBe(true)
    const thief = browser()
    expect(await isLoggedIn(thief, origin, oldCookie)).toBe(false)
    const stolen = await (await thief.get(`${origin}/own`, { cookie: oldCookie })).json()
    expect(stolen).toMatchObject({ user: null })
  })

  it.each([{}, { keep: '1' }])(
    'a login of the application with %j keeps the Qlik login under the new id',
    async keep => {
      const { tab, own, origin, named } = await start({ framework })
      await logIn(tab, origin)
      const oldCookie = tab.header(origin)
      expect(await own.logIn('pat', keep)).toBe(204)

      expect(await own.data()).toMatchObject({ user: { name: 'pat' } })
      expect(await isLoggedIn(tab, origin)).toBe(true)
      expect(await isLoggedIn(browser(), origin, oldCookie)).toBe(false)
      expect(named('loginEnded')).toEqual([])
      expect(named('loginMoved')).toMatchObject([{ previous: named('login')[0]?.login, traceId: expect.any(String) }])
    },
  )

  it('a logout of the application ends the Qlik login', async () => {
    const { tab, own, origin, named } = await start({ framework })
    await fill(own)
    await logIn(tab, origin)
    expect(await own.post('logout')).toBe(204)
    expect(await isLoggedIn(tab, origin)).toBe(false)
    expect(named('loginEnded')).toMatchObject([{ reason: 'session_destroyed' }])
  })
})

describe('a change of the session id by the application', () => {
  it.each(['destroy', 'regenerate'])('ends the login of a session without a user (%s)', async how => {
    const { tab, own, origin, named } = await start()
    await logIn(tab, origin)
    const oldCookie = tab.header(origin)
    expect(await own.post(how)).toBe(204)
    expect(await isLoggedIn(tab, origin)).toBe(false)
    expect(await isLoggedIn(browser(), origin, oldCookie)).toBe(false)
    expect(named('loginEnded')).toMatchObject([{ reason: 'session_destroyed' }])
  })

  it('ends the login of another user of the application', async () => {
    const { tab, own, origin, named } = await start()
    await fill(own)
    await logIn(tab, origin)
    expect(await own.logIn('quinn')).toBe(204)
    expect(await isLoggedIn(tab, origin)).toBe(false)
    expect(named('loginEnded')).toMatchObject([{ reason: 'session_destroyed' }])
    expect(tenant.requests.filter(({ path }) => path === '/oauth/revoke').length).toBeGreaterThan(0)
  })

  it('ends the login of a user who has left without a change of the id', async () => {
    const { tab, own, origin } = await start({
      extend: app =>
        app.post('/forget', (request, response) => {
          Reflect.deleteProperty(request.session, 'passport')
          response.status(204).end()
        }),
    })
    await fill(own)
    await logIn(tab, origin)
    await tab.post(`${origin}/forget`)
    expect(await own.logIn('quinn')).toBe(204)
    expect(await isLoggedIn(tab, origin)).toBe(false)
  })

  it('keeps the login for the same user, again and again', async () => {
    const { tab, own, origin } = await start()
    await fill(own)
    await logIn(tab, origin)
    for (let times = 0; times < 3; times++) expect(await own.logIn('pat', { keep: '1' })).toBe(204)
    expect(await isLoggedIn(tab, origin)).toBe(true)
    expect(await own.data()).toMatchObject({ cart: ['apple'] })
  })

  it('finds the user where applicationUser says', async () => {
    const { tab, origin } = await start({
      applicationUser: session => Reflect.get(session, 'member').id,
      extend: app =>
        app.post('/member/:id', (request, response, next) =>
          request.session.regenerate(error => {
            Object.assign(request.session, { member: { id: request.params.id } })
            if (error) next(error)
            else response.status(204).end()
          }),
        ),
    })
    const members = await logIn(tab, origin).then(async () => {
      const seen: boolean[] = []
      for (const member of ['1', '1', '2']) {
        await tab.post(`${origin}/member/${member}`)
        seen.push(await isLoggedIn(tab, origin))
      }
      return seen
    })
    expect(members).toEqual([true, true, false])
  })

  it('ends the login where applicationUser finds the same for every user', async () => {
    const { tab, origin, own } = await start({ applicationUser: session => Promise.resolve(session) })
    await logIn(tab, origin)
    await own.logIn('pat')
    expect(await isLoggedIn(tab, origin)).toBe(false)
  })

  it('ends the login when the browser leaves before the new session is saved', async () => {
    const { tab, origin, named } = await start({
      extend: app => app.post('/abandon', (request, response) => request.session.regenerate(() => response.destroy())),
    })
    await logIn(tab, origin)
    const cookie = tab.header(origin)
    await tab.post(`${origin}/abandon`).catch(() => {})
    while (named('loginEnded').length === 0) await new Promise(resolve => setImmediate(resolve))
    expect(await isLoggedIn(browser(), origin, cookie)).toBe(false)
  })

  it('waits for a refresh in progress, whose tokens are not lost', async () => {
    const { tab, own, origin, named } = await start()
    await logIn(tab, origin)
    tenant.expireAccessTokens()
    const refresh = tenant.faults.next({ grant: 'refresh_token', hold: true, when: 'after' })
    const call = tab.get(`${origin}/qlik/api/v1/items?limit=1`, { 'sec-fetch-site': 'same-origin' })
    await refresh.injected
    const moved = own.logIn('pat')
    setImmediate(refresh.release)
    expect([(await call).status, await moved]).toEqual([200, 204])
    tenant.expireAccessTokens()
    expect(await isLoggedIn(tab, origin)).toBe(true)
    expect(named('loginEnded')).toEqual([])
  })
})

describe('session data during a Qlik login', () => {
  it('that another request changes meanwhile is kept', async () => {
    const { tab, own, origin } = await start()
    await fill(own)
    const callback = await authorized(tab, origin)
    const exchange = tenant.faults.next({ grant: 'authorization_code', hold: true })
    const back = tab.get(callback)
    await exchange.injected
    expect(await own.post('cart', { add: 'pear' })).toBe(204)
    exchange.release()
    expect((await back).status).toBe(302)
    expect(await own.data()).toMatchObject({ user: { name: 'pat' }, cart: ['apple', 'pear'] })
  })

  it('that another request destroys meanwhile is gone', async () => {
    const { tab, own, origin } = await start()
    await fill(own)
    const callback = await authorized(tab, origin)
    const exchange = tenant.faults.next({ grant: 'authorization_code', hold: true })
    const back = tab.get(callback)
    await exchange.injected
    expect(await own.post('logout')).toBe(204)
    exchange.release()
    expect((await back).status).toBe(302)
    const data = await own.data()
    expect(data.user).toBeNull()
    expect(data).not.toHaveProperty('cart')
  })

  it('that another request destroys is gone also after a login that the application refused', async () => {
    let isRefused = true
    const { tab, own, origin } = await start({
      onLogin() {
        if (isRefused) throw new Error('Not yet.')
      },
    })
    await fill(own)
    expect((await tab.get(await authorized(tab, origin))).status).toBe(403)
    isRefused = false
    const callback = await authorized(tab, origin)
    const exchange = tenant.faults.next({ grant: 'authorization_code', hold: true })
    const back = tab.get(callback)
    await exchange.injected
    expect(await own.post('destroy')).toBe(204)
    exchange.release()
    expect((await back).status).toBe(302)
    expect((await own.data()).user).toBeNull()
  })

  it('that another request destroys is gone in tabs that log in at the same time', async () => {
    const { tab, own, origin } = await start()
    await fill(own)
    const callbacks = [await authorized(tab, origin), await authorized(tab, origin)]
    const exchanges = callbacks.map(() => tenant.faults.next({ grant: 'authorization_code', hold: true }))
    const back = callbacks.map(callback => tab.get(callback))
    await Promise.all(exchanges.map(({ injected }) => injected))
    expect(await own.post('destroy')).toBe(204)
    for (const { release } of exchanges) release()
    expect((await Promise.all(back)).map(({ status }) => status)).toEqual([302, 302])
    expect((await own.data()).user).toBeNull()
  })

  it('survives tabs that log in at the same time', async () => {
    const { tab, own, origin } = await start()
    const before = await fill(own)
    const callbacks = [await authorized(tab, origin), await authorized(tab, origin), await authorized(tab, origin)]
    const responses = await Promise.all(callbacks.map(callback => tab.get(callback)))
    expect(responses.map(({ status }) => status)).toEqual([302, 302, 302])
    expect(await own.data()).toEqual(before)
    expect(await isLoggedIn(tab, origin)).toBe(true)
  })

  it('keeps getters, and no cookie', async () => {
    const { tab, origin } = await start({
      session: { cookie: { maxAge: 3600_000 } },
      extend: app => {
        app.get('/short', (request, response) => {
          request.session.cookie.maxAge = 60_000
          Object.assign(request.session, { first: 'Pat' })
          response.end()
        })
      },
      onLogin: request => {
        Object.assign(request.session, { maxAge: request.session.cookie.originalMaxAge })
      },
    })
    await tab.get(`${origin}/short`)
    await logIn(tab, origin)
    const data = await (await tab.get(`${origin}/own`)).json()
    expect(data).toMatchObject({ first: 'Pat', maxAge: 3600_000 })
  })

  it('is saved before the login exists: a store that fails gives 503 and no login', async () => {
    const store = new MemoryStore()
    const { tab, origin, named } = await start({ session: { store } })
    const callback = await authorized(tab, origin)
    const { set } = store
    const failing = new Error('disk full')
    store.set = (_id, _session, done) => done?.(failing)
    const response = await tab.get(callback)
    store.set = set
    expect(named('login')).toEqual([])
    expect([response.status, await response.text()]).toEqual([503, 'ERR_STORE_UNAVAILABLE'])
  })
})
