import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { memoryLoginStore } from 'qlik-oauth'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type Application, type ApplicationOptions, startApplication } from '../support/application.ts'
import { type Browser, browser } from '../support/browser.ts'

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

async function start(options: ApplicationOptions = {}): Promise<Application> {
  const application = await startApplication(tenant, options)
  open.push(application)
  return application
}

/** Starts a login and authorizes it at the tenant. @returns The URL of the callback. */
async function authorized(tab: Browser, { origin }: Application, returnTo = '/', user = 'ada'): Promise<string> {
  const login = await tab.get(`${origin}/auth/login?returnTo=${encodeURIComponent(returnTo)}`)
  expect(login.status).toBe(302)
  return await tenant.authorize(login.headers.get('location') ?? '', user)
}

async function loggedIn(application: Application, user = 'ada'): Promise<Browser> {
  const tab = browser()
  expect((await tab.get(await authorized(tab, application, '/', user))).status).toBe(302)
  return tab
}

const session = async (tab: Browser, { origin }: Application) => (await tab.get(`${origin}/auth/session`)).json()
const redemptions = () => tenant.tokenRequests('authorization_code').length

describe('login', () => {
  it('returns to the page, with the user logged in and no token in any response', async () => {
    const application = await start()
    const tab = browser()
    const guarded = await tab.get(`${application.origin}/private/a?b=1`)
    expect([guarded.status, guarded.headers.get('location')]).toEqual([
      302,
      `${application.origin}/auth/login?returnTo=%2Fprivate%2Fa%3Fb%3D1`,
    ])

    const callback = await tab.get(await authorized(tab, application, '/private/a?b=1'))
    expect([callback.status, callback.headers.get('location')]).toEqual([302, '/private/a?b=1'])
    expect(callback.headers.get('cache-control')).toBe('no-store')
    expect(await session(tab, application)).toEqual({
      authenticated: true,
      user: expect.objectContaining({ email: 'ada@example.com' }),
      scope: expect.stringContaining('user_default'),
      expiresAt: expect.stringMatching(/^\d{4}-.*Z$/),
    })
    const page = await tab.get(`${application.origin}/private`)
    const seen = (await page.text()) + JSON.stringify([...page.headers]) + tab.header(application.origin)
    for (const secret of tenant.issuedSecrets()) expect(seen).not.toContain(secret)
  })

  it('begins at publicUrl for a page that was opened under another name of this server', async () => {
    const application = await start()
    const other = application.origin.replace('localhost', '127.0.0.1')
    const guarded = await browser().get(`${other}/private/a`)
    const login = guarded.headers.get('location') ?? ''
    expect([guarded.status, login]).toEqual([302, `${application.origin}/auth/login?returnTo=%2Fprivate%2Fa`])

    const tab = browser()
    const callback = await tab.get(await tenant.authorize((await tab.get(login)).headers.get('location') ?? '', 'ada'))
    expect([callback.status, callback.headers.get('location')]).toEqual([302, '/private/a'])
    expect((await tab.get(`${application.origin}/private/a`)).status).toBe(200)
  })

  it('sends PKCE, state and the configured redirect URI, whatever the Host header is', async () => {
    const application = await start()
    const login = await browser().get(`${application.origin}/auth/login`, {
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
    })
    const parameters = new URL(login.headers.get('location') ?? '').searchParams
    expect(parameters.get('redirect_uri')).toBe(`${application.origin}/auth/callback`)
    expect(parameters.get('code_challenge_method')).toBe('S256')
    expect(parameters.get('code_challenge')).toHaveLength(43)
    expect(parameters.get('client_secret')).toBeNull()
  })

  it('changes the session id, so that an id from before the login is not logged in', async () => {
    const application = await start({
      extend: app =>
        app.get('/visit', (request, response) => {
          Object.assign(request.session, { seen: true })
          response.send('seen')
        }),
    })
    const tab = browser()
    await tab.get(`${application.origin}/visit`)
    const before = tab.header(application.origin)
    await tab.get(await authorized(tab, application))
    expect(tab.cookies(application.origin).get('sid')).not.toBe(before.replace('sid=', ''))
    const fixed = await browser().get(`${application.origin}/auth/session`, { cookie: before })
    expect(await fixed.json()).toEqual({ authenticated: false })
  })

  it('lets twenty tabs finish in any order, also when they start at the same moment', async () => {
    const application = await start({ loginRateLimit: 0 })
    const tab = browser()
    const callbacks = await Promise.all(
      Array.from({ length: 20 }, (_, index) => authorized(tab, application, `/private/${index}`)),
    )
    expect(tab.header(application.origin).length).toBeLessThan(4096)
    for (const [index, callback] of [...callbacks.entries()].reverse()) {
      const back = await tab.get(callback)
      expect([back.status, back.headers.get('location')]).toEqual([302, `/private/${index}`])
    }
    expect(await session(tab, application)).toMatchObject({ authenticated: true })
  })

  it('ends the previous login of the browser', async () => {
    const application = await start()
    const tab = await loggedIn(application, 'ada')
    const before = tab.header(application.origin)
    await tab.get(await authorized(tab, application, '/', 'ben'))
    expect(await session(tab, application)).toMatchObject({ user: { email: 'ben@example.com' } })
    expect(await (await browser().get(`${application.origin}/auth/session`, { cookie: before })).json()).toEqual({
      authenticated: false,
    })
    expect(application.named('loginEnded')).toMatchObject([{ reason: 'replaced' }])
  })

  it('is not started by a prefetch', async () => {
    const application = await start()
    const response = await browser().get(`${application.origin}/auth/login`, { 'sec-purpose': 'prefetch' })
    expect([response.status, response.headers.get('set-cookie')]).toEqual([204, null])
  })

  it('is limited per client network', async () => {
    const application = await start({ loginRateLimit: 2 })
    const statuses = []
    for (let times = 0; times < 3; times++)
      statuses.push((await browser().get(`${application.origin}/auth/login`)).status)
    expect(statuses).toEqual([302, 302, 429])
  })

  it('is not started by an image on another site', async () => {
    const application = await start()
    const image = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }
    expect((await browser().get(`${application.origin}/auth/login`, image)).status).toBe(403)
  })

  it('stops with ERR_LOGIN_LOOP when the session cookie never comes back', async () => {
    const application = await start()
    const tab = browser()
    const statuses: number[] = []
    for (let round = 0; round < 6 && statuses.at(-1) !== 508; round++) {
      tab.cookies(application.origin).delete('sid')
      const login = await tab.get(`${application.origin}/auth/login`)
      statuses.push(login.status)
      if (login.status === 302) await tab.get(await tenant.authorize(login.headers.get('location') ?? '', 'ada'))
    }
    expect(statuses).toEqual([302, 302, 302, 302, 508])
  })

  it('names the missing "trust proxy" behind a balancer that terminates TLS', async () => {
    const application = await start({ publicUrl: 'https://app.example.com' })
    const response = await browser().get(`${application.origin}/auth/login`, { 'x-forwarded-proto': 'https' })
    expect([response.status, await response.text()]).toEqual([500, 'ERR_CONFIGURATION'])
    expect(application.named('warning')).toMatchObject([{ message: expect.stringContaining('trust proxy') }])
  })

  it('names it for a cookie in frames with secure "auto", too', async () => {
    const cookie = { secure: 'auto', sameSite: 'none', partitioned: true } as const
    const application = await start({ publicUrl: 'https://app.example.com', session: { name: 'sid', cookie } })
    const response = await browser().get(`${application.origin}/auth/login`)
    expect([response.status, await response.text()]).toEqual([500, 'ERR_CONFIGURATION'])
    expect(application.named('warning')).toMatchObject([{ message: expect.stringContaining('trust proxy') }])
  })

  it('sets __Host- cookies on https', async () => {
    const application = await start({ publicUrl: 'https://app.example.com', trustProxy: 1 })
    const tab = browser()
    const secure = { 'x-forwarded-proto': 'https' }
    const login = await tab.get(`${application.origin}/auth/login`, secure)
    const callback = new URL(await tenant.authorize(login.headers.get('location') ?? '', 'ada'))
    expect(callback.origin).toBe('https://app.example.com')
    const back = await tab.get(application.origin + callback.pathname + callback.search, secure)
    for (const cookie of [...login.headers.getSetCookie(), ...back.headers.getSetCookie()]) {
      expect(cookie).toMatch(/^__Host-/)
      expect(cookie).toMatch(/; Secure/)
      expect(cookie).toMatch(/; HttpOnly/)
      expect(cookie).toMatch(/; SameSite=Lax/i)
      expect(cookie).not.toMatch(/Domain/i)
    }
  })
})

describe('callback', () => {
  it.each([
    ['an empty response', ''],
    ['an unknown state', '?code=abc&state=unknown'],
    ['two states', '?code=abc&state=a&state=b'],
    ['lists', '?code[]=a&state[]=b'],
    ['objects', '?code[x]=a&state[__proto__][y]=b'],
    ['a long state', `?code=a&state=${'x'.repeat(6000)}`],
    ['a script', '?error=<script>alert(1)</script>&state=x'],
  ])('refuses %s', async (_what, query) => {
    const application = await start()
    const before = redemptions()
    const response = await browser().get(`${application.origin}/auth/callback${query}`)
    expect([response.status, await response.text()]).toEqual([400, 'ERR_CALLBACK_INVALID'])
    expect(redemptions()).toBe(before)
  })

  it('refuses a response without the transaction cookie, and keeps the transaction', async () => {
    const application = await start()
    const tab = browser()
    const callback = await authorized(tab, application)
    const before = redemptions()
    expect((await browser().get(callback)).status).toBe(400)
    expect((await browser().get(callback, { cookie: 'qlik-login-00000000=AAAAAAAAAAAAAAAAAAAAAA.0.0' })).status).toBe(
      400,
    )
    expect(redemptions()).toBe(before)
    expect((await tab.get(callback)).status).toBe(302)
  })

  it('redeems the code once when it is called five times at once', async () => {
    const application = await start()
    const tab = browser()
    const callback = await authorized(tab, application)
    const before = redemptions()
    const responses = await Promise.all(
      Array.from({ length: 5 }, () => tab.get(callback, { accept: 'application/json' })),
    )
    expect(responses.map(({ status }) => status).sort()).toEqual([302, 400, 400, 400, 400])
    expect(redemptions()).toBe(before + 1)
  })

  it('redirects a logged-in user with a stale response to home', async () => {
    const application = await start()
    const tab = browser()
    const callback = await authorized(tab, application, '/private')
    await tab.get(callback)
    const cookie = tab.header(application.origin)
    const again = await tab.get(callback)
    expect([again.status, again.headers.get('location')]).toEqual([302, '/'])
    expect(await (await browser().get(`${application.origin}/auth/session`, { cookie })).json()).toMatchObject({
      authenticated: true,
    })
  })

  it('restarts the login once, with the same return path, when the transaction is gone', async () => {
    const store = memoryLoginStore()
    const application = await start({ store: { ...store, takeTransaction: async () => undefined } })
    const tab = browser()
    const lost = await tab.get(await authorized(tab, application, '/private/7'))
    expect(lost.status).toBe(302)
    const lostAgain = await tab.get(await tenant.authorize(lost.headers.get('location') ?? '', 'ada'))
    expect(lostAgain.status).toBe(400)

    const whole = await start()
    const other = browser()
    const state = new URL(await authorized(other, whole, '/private/7'))
    // The same response a second time, logged out: its transaction is used up.
    await other.get(state.href)
    other.cookies(whole.origin).delete('sid')
    const restarted = await other.get(state.href)
    const done = await other.get(await tenant.authorize(restarted.headers.get('location') ?? '', 'ada'))
    expect(done.headers.get('location')).toBe('/private/7')
  })

  it('keeps the login when another login of the browser is denied', async () => {
    const application = await start()
    const tab = await loggedIn(application)
    const login = await tab.get(`${application.origin}/auth/login`)
    const { searchParams } = new URL(login.headers.get('location') ?? '')
    const denied = await tab.get(
      `${application.origin}/auth/callback?error=access_denied&error_description=%3Cb%3E&state=${searchParams.get('state')}`,
    )
    expect([denied.status, await denied.text()]).toEqual([403, 'ERR_LOGIN_DENIED'])
    expect(await session(tab, application)).toMatchObject({ authenticated: true })
  })

  it('refuses the code of one transaction with the state of another', async () => {
    const application = await start()
    const tab = browser()
    const [first, second] = [new URL(await authorized(tab, application)), new URL(await authorized(tab, application))]
    const swapped = await tab.get(
      `${application.origin}/auth/callback?code=${first.searchParams.get('code')}&state=${second.searchParams.get('state')}`,
    )
    expect([swapped.status, await swapped.text()]).toEqual([400, 'ERR_CALLBACK_INVALID'])
    expect(application.named('denied')).toMatchObject([{ message: expect.stringContaining('invalid_grant') }])
    expect(await session(tab, application)).toEqual({ authenticated: false })
  })

  it('is ERR_LOGIN_DENIED when the tenant issues no token for the user', async () => {
    const application = await start()
    const tab = browser()
    const eve = { id: 'eve', name: 'Eve', email: 'eve@example.com', subject: 'simulator|eve' }
    tenant.registerUser(eve)
    const callback = await authorized(tab, application, '/', 'eve')
    tenant.registerUser({ ...eve, status: 'disabled' })
    const response = await tab.get(callback)
    expect([response.status, await response.text()]).toEqual([403, 'ERR_LOGIN_DENIED'])
    expect(application.named('denied')).toMatchObject([{ code: 'ERR_LOGIN_DENIED' }])
  })

  it('is ERR_TOKEN_REFUSED when the tenant refuses the client secret', async () => {
    const application = await start({ clientSecret: 'another-secret' })
    const tab = browser()
    const response = await tab.get(await authorized(tab, application))
    expect([response.status, await response.text()]).toEqual([502, 'ERR_TOKEN_REFUSED'])
    expect(application.named('denied')).toEqual([])
  })

  it('refuses a response of another issuer without redeeming the code', async () => {
    const application = await start()
    const tab = browser()
    const callback = await authorized(tab, application)
    const before = redemptions()
    const response = await tab.get(`${callback}&iss=https://evil.example`)
    expect([response.status, await response.text()]).toEqual([400, 'ERR_CALLBACK_INVALID'])
    expect(application.named('denied')).toMatchObject([{ message: expect.stringContaining('issuer') }])
    expect(redemptions()).toBe(before)
  })

  it('is neither started nor used up by HEAD', async () => {
    const application = await start({ loginRateLimit: 1 })
    const tab = browser()
    const look = (url: string) => tab.request(url, { method: 'HEAD' })
    const looked = await look(`${application.origin}/auth/login?returnTo=/private`)
    expect([looked.status, looked.headers.get('set-cookie'), looked.headers.get('location')]).toEqual([204, null, null])

    // HEAD did not count in the rate limit.
    const callback = await authorized(tab, application, '/private')
    const before = redemptions()
    expect((await look(callback)).status).toBe(204)
    expect(redemptions()).toBe(before)
    expect((await tab.get(callback)).headers.get('location')).toBe('/private')
  })

  it.each(['code', 'iss'])('refuses a genuine response with a second %s', async name => {
    const application = await start()
    const tab = browser()
    const callback = await authorized(tab, application)
    const before = redemptions()
    expect((await tab.get(`${callback}&${name}=x&${name}=x`)).status).toBe(400)
    expect(redemptions()).toBe(before)
  })

  it('responds 405 to a form post, with the allowed methods', async () => {
    const application = await start()
    const response = await browser().post(`${application.origin}/auth/callback`, 'code=a&state=b')
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })

  it.each([
    ['an error page', { status: 500, body: '<html>' }, 503],
    ['too many requests', { status: 429, retryAfter: 7 }, 503],
    ['HTML labelled as JSON', { garbage: true }, 502],
    ['ten megabytes', { hugeBody: 10_000_000 }, 502],
    ['no response', { reset: true }, 502],
    ['no access token', { status: 200, body: { token_type: 'bearer' } }, 502],
    ['another kind of token', { status: 200, body: { access_token: 'a', token_type: 'mac' } }, 502],
  ])('reports a token endpoint that responds with %s', async (_what, fault, status) => {
    const application = await start()
    const tab = browser()
    const callback = await authorized(tab, application)
    const before = redemptions()
    tenant.faults.next({ path: '/oauth/token', ...fault })
    const response = await tab.get(callback)
    expect(response.status).toBe(status)
    expect(redemptions()).toBe(before + 1)
    expect(await session(tab, application)).toEqual({ authenticated: false })
  })

  it('revokes the tokens when the user cannot be read', async () => {
    const application = await start()
    const tab = browser()
    const callback = await authorized(tab, application)
    tenant.faults.next({ path: '/api/v1/users/me', status: 500 })
    expect((await tab.get(callback)).status).toBe(502)
    expect(tenant.requests.filter(({ path }) => path === '/oauth/revoke').length).toBeGreaterThan(0)
  })
})

describe('session', () => {
  it('writes nothing and sets no cookie for visitors', async () => {
    const application = await start()
    for (const path of ['/', '/private', '/auth/session', '/qlik/api/v1/items']) {
      expect((await browser().get(application.origin + path)).headers.get('set-cookie')).toBeNull()
    }
  })

  it.each([
    ['/', 200],
    ['/private', 302],
    ['/auth/session', 200],
    ['/auth/login', 302],
  ])(
    'counts a cookie with a wrong signature as none at %s, and clears it under a name that is only its own',
    async (path, status) => {
      const application = await start({ publicUrl: 'https://app.example.com', trustProxy: 1 })
      const headers = { cookie: '__Host-sid=s%3Aforged.AAAA', 'x-forwarded-proto': 'https' }
      const response = await browser().get(application.origin + path, headers)
      expect([response.status, response.headers.get('cache-control')]).toEqual([status, 'no-store'])
      expect(response.headers.getSetCookie().filter(cookie => cookie.startsWith('__Host-sid='))).toEqual([
        '__Host-sid=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax',
      ])
      expect(application.named('denied')).toHaveLength(1)
    },
  )

  it('leaves a cookie with a wrong signature alone where another application may own it', async () => {
    const application = await start()
    for (const path of ['/', '/private', '/auth/session', '/auth/login']) {
      const response = await browser().get(application.origin + path, { cookie: 'sid=s%3Aforged.AAAA' })
      expect(response.headers.getSetCookie().filter(cookie => cookie.startsWith('sid='))).toEqual([])
    }
    expect(application.named('denied')).toHaveLength(4)
  })

  it('with a wrong signature gets 401 from the proxy, which sets no cookie', async () => {
    const application = await start()
    const response = await browser().get(`${application.origin}/qlik/api/v1/items`, { cookie: 'sid=s%3Aforged.AAAA' })
    expect([response.status, response.headers.get('set-cookie')]).toEqual([401, null])
  })

  it('responds to HEAD as to GET, without the body', async () => {
    const application = await start()
    const tab = await loggedIn(application)
    const [head, got] = [
      await tab.request(`${application.origin}/auth/session`, { method: 'HEAD' }),
      await tab.get(`${application.origin}/auth/session`),
    ]
    expect([head.status, await head.text()]).toEqual([200, ''])
    for (const name of ['content-type', 'content-length', 'cache-control'])
      expect(head.headers.get(name)).toBe(got.headers.get(name))
  })

  it('is signed again after a rotation of the secret, and ends when the secret is removed', async () => {
    const store = memoryLoginStore()
    const sessions = new (await import('express-session')).default.MemoryStore()
    const old = await start({ store, session: { secret: 'the-older-session-secret', store: sessions } })
    const tab = await loggedIn(old)
    const rotated = await start({
      store,
      clientId: `test-${new URL(old.origin).host}`,
      session: { secret: ['the-newest-session-secret', 'the-older-session-secret'], store: sessions },
    })
    const response = await browser().get(`${rotated.origin}/private`, { cookie: tab.header(old.origin) })
    expect(response.status).toBe(200)
    const resigned =
      response.headers
        .getSetCookie()
        .find(cookie => cookie.startsWith('sid='))
        ?.split(';')[0] ?? ''
    expect(resigned).toMatch(/^sid=s%3A/)
    expect(resigned).not.toBe(
      tab
        .header(old.origin)
        .split('; ')
        .find(pair => pair.startsWith('sid=')),
    )
    expect((await browser().get(`${rotated.origin}/private`, { cookie: resigned })).status).toBe(200)

    const forgotten = await start({ store, session: { secret: 'the-newest-session-secret', store: sessions } })
    expect((await browser().get(`${forgotten.origin}/private`, { cookie: tab.header(old.origin) })).status).toBe(302)
  })

  it.each(['garbage', '{}', '[]', '{"cookie":5}'])('survives stored session data that reads %s', async text => {
    const sessions = new (await import('express-session')).default.MemoryStore()
    const application = await start({ session: { store: sessions } })
    const tab = await loggedIn(application)
    const stored = (sessions as unknown as { sessions: Record<string, string> }).sessions
    for (const id of Object.keys(stored)) stored[id] = text
    expect((await tab.get(`${application.origin}/private`)).status).toBe(200)
    expect((await tab.post(`${application.origin}/auth/logout`)).status).toBeLessThan(400)
  })

  it('survives the loss of its data, and ends when the application destroys it', async () => {
    const sessions = new (await import('express-session')).default.MemoryStore()
    const application = await start({
      session: { store: sessions },
      extend: app => {
        app.get('/count', (request, response) => {
          const data = request.session as { count?: number }
          data.count = (data.count ?? 0) + 1
          response.json(data.count)
        })
        app.get('/destroy', (request, response) => request.session.destroy(() => response.send('gone')))
      },
    })
    const tab = await loggedIn(application)
    expect(await (await tab.get(`${application.origin}/count`)).json()).toBe(1)
    await new Promise<void>(resolve => sessions.clear(() => resolve()))
    expect(await (await tab.get(`${application.origin}/count`)).json()).toBe(1)
    expect(await (await tab.get(`${application.origin}/count`)).json()).toBe(2)
    expect(await session(tab, application)).toMatchObject({ authenticated: true })

    await tab.get(`${application.origin}/destroy`)
    expect(await session(tab, application)).toEqual({ authenticated: false })
    expect(application.named('loginEnded')).toMatchObject([{ reason: 'session_destroyed' }])
  })
})

describe('logout', () => {
  it('ends the login, revokes its tokens, and succeeds a second time', async () => {
    const application = await start()
    const tab = await loggedIn(application)
    const cookie = tab.header(application.origin)
    const before = tenant.requests.length
    const out = await tab.post(`${application.origin}/auth/logout`, '', {
      accept: 'text/html',
      'sec-fetch-mode': 'navigate',
    })
    expect([out.status, out.headers.get('location')]).toEqual([303, '/'])
    expect((await browser().get(`${application.origin}/private`, { cookie, accept: 'application/json' })).status).toBe(
      401,
    )
    const revoked = tenant.requests.slice(before).filter(({ path }) => path === '/oauth/revoke')
    expect(revoked).toHaveLength(2)
    expect((await tab.post(`${application.origin}/auth/logout`, '', { accept: 'application/json' })).status).toBe(204)
  })

  it.each([
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['a sibling', { 'sec-fetch-site': 'same-site' }],
    ['an unknown origin', { 'sec-fetch-site': undefined as never }],
    ['another origin', { 'sec-fetch-site': undefined as never, origin: 'https://evil.example' }],
  ])('is refused from %s', async (_where, headers) => {
    const application = await start()
    const tab = await loggedIn(application)
    const sent = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined))
    const out = await tab.request(`${application.origin}/auth/logout`, { method: 'POST', headers: sent })
    expect(out.status).toBe(403)
    expect((await tab.request(`${application.origin}/auth/logout`, {})).status).toBe(405)
    expect(await session(tab, application)).toMatchObject({ authenticated: true })
  })

  it('succeeds when the tenant does not respond', async () => {
    const application = await start()
    const tab = await loggedIn(application)
    tenant.faults.always({ path: '/oauth/revoke', reset: true })
    expect((await tab.post(`${application.origin}/auth/logout`)).status).toBeLessThan(400)
    expect(await session(tab, application)).toEqual({ authenticated: false })
    expect(application.named('revocationFailed').length).toBeGreaterThan(0)
  })

  it('cannot be undone by a slow request that saves its session', async () => {
    let arrived = () => {}
    const waiting = new Promise<void>(resolve => (arrived = resolve))
    let go = () => {}
    const released = new Promise<void>(resolve => (go = resolve))
    const application = await start({
      extend: app =>
        app.get('/slow', async (request, response) => {
          ;(request.session as { slow?: number }).slow = 1
          arrived()
          await released
          response.send('saved')
        }),
    })
    const tab = await loggedIn(application)
    const cookie = tab.header(application.origin)
    const slow = browser().get(`${application.origin}/slow`, { cookie })
    await waiting
    await tab.post(`${application.origin}/auth/logout`)
    go()
    await slow
    expect(await (await browser().get(`${application.origin}/auth/session`, { cookie })).json()).toEqual({
      authenticated: false,
    })
  })

  it('of all logins of a user ends them in every browser', async () => {
    const application = await start()
    const tabs = [await loggedIn(application), await loggedIn(application), await loggedIn(application, 'ben')]
    const [{ user } = { user: { id: '' } }] = application.named('login')
    expect(await application.qlik.logins(user.id)).toHaveLength(2)
    expect(await application.qlik.endLogins(user.id)).toBe(2)
    const states = await Promise.all(tabs.map(tab => session(tab, application)))
    expect(states.map(state => (state as { authenticated: boolean }).authenticated)).toEqual([false, false, true])
    expect(await application.qlik.logins(user.id)).toEqual([])
  })
})
