import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { until } from 'test-support/until'
import { type Application, type ApplicationOptions, startApplication } from '../support/application.ts'
import { type Browser, browser } from '../support/browser.ts'
import { ownLogin, ownSession } from '../support/own-login.ts'

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
  const application = await startApplication(tenant, { extend: ownLogin, ...options })
  open.push(application)
  const tab = browser()
  return { ...application, tab, own: ownSession(tab, application.origin) }
}

async function logIn(tab: Browser, origin: string, user = 'ada'): Promise<Response> {
  const login = await tab.get(`${origin}/auth/login`)
  return await tab.get(await tenant.authorize(login.headers.get('location') ?? '', user))
}

const session = async (tab: Browser, origin: string) => (await tab.get(`${origin}/auth/session`)).json()
const revocations = () => tenant.requests.filter(({ path }) => path === '/oauth/revoke').length
/** Asks for JSON, as a script would. */
const json = { accept: 'application/json', 'sec-fetch-mode': 'cors' }

describe('onLogin', () => {
  it('knows the user, may call the tenant, and writes into the new session, beside what was there', async () => {
    const { tab, own, origin } = await start({
      async onLogin(request, { user, scope, tenant: at, fetch, accessToken }) {
        const response = await fetch('/api/v1/items?limit=1')
        Object.assign(request.session, {
          profile: { ...user, scope, status: response.status, isTenant: at === tenant.origin },
          hasToken: (await accessToken()).length > 20,
        })
      },
    })
    await own.logIn('pat')
    expect((await logIn(tab, origin)).status).toBe(302)
    expect(await own.data()).toMatchObject({
      user: { name: 'pat' },
      profile: {
        id: 'ada',
        email: 'ada@example.com',
        status: 200,
        isTenant: true,
        scope: expect.stringContaining('user'),
      },
      hasToken: true,
    })
    expect(await session(tab, origin)).toMatchObject({ authenticated: true })
  })

  it('may log the user in to the application', async () => {
    const { tab, own, origin } = await start({
      onLogin: (request, { user }) =>
        new Promise((resolve, reject) =>
          request.login({ name: user.id }, { keepSessionInfo: true } as never, error =>
            error ? reject(error) : resolve(),
          ),
        ),
      prepare: ownLogin,
      extend: () => {},
    })
    const before = await own.data()
    expect((await logIn(tab, origin)).status).toBe(302)
    expect(await own.data()).toMatchObject({ csrfSecret: before.csrfSecret, user: { name: 'ada' } })
    expect(await session(tab, origin)).toMatchObject({ authenticated: true })
  })

  it('refuses a user with its message: 403, no login, tokens revoked, the session as it was', async () => {
    const { tab, own, origin, named } = await start({
      async onLogin(request, { user }) {
        Object.assign(request.session, { profile: 'to be forgotten' })
        if (user.id === 'ben') throw new Error('Ask the office for access, Ben.')
      },
    })
    await own.logIn('pat')
    const before = await own.data()
    const cookie = tab.header(origin)
    const revoked = revocations()
    const page = await logIn(tab, origin, 'ben')
    expect([page.status, await page.text()]).toEqual([403, 'ERR_LOGIN_REFUSED'])
    expect(revocations() - revoked).toBe(2)
    expect(named('login')).toEqual([])
    expect(named('denied')).toMatchObject([{ code: 'ERR_LOGIN_REFUSED', message: 'Ask the office for access, Ben.' }])
    expect(tab.cookies(origin).get('sid')).toBe(/(?<=sid=)[^;]+/.exec(cookie)?.[0])
    expect(await own.data()).toEqual(before)
    expect(await session(tab, origin)).toEqual({ authenticated: false })
  })

  it('leaves the login that the browser had when it refuses the next one', async () => {
    const { tab, origin } = await start({
      onLogin: (_request, { user }) => {
        if (user.id === 'ben') throw new Error('No.')
      },
    })
    await logIn(tab, origin, 'ada')
    expect((await logIn(tab, origin, 'ben')).status).toBe(403)
    expect(await session(tab, origin)).toMatchObject({ authenticated: true, user: { id: 'ada' } })
  })

  it('sends its message to scripts, too', async () => {
    const { tab, origin } = await start({
      onLogin() {
        throw Object.assign(new Error('Members only'), { status: 403 })
      },
    })
    const login = await tab.get(`${origin}/auth/login`)
    const callback = await tenant.authorize(login.headers.get('location') ?? '', 'ada')
    const response = await tab.get(callback, json)
    expect([response.status, await response.json()]).toEqual([
      403,
      expect.objectContaining({ errors: [expect.objectContaining({ code: 'login_refused', detail: 'Members only' })] }),
    ])
  })

  it.each<[string, unknown]>([
    ['a programming error', new TypeError('x is undefined')],
    ['a driver', Object.assign(new Error('password=hush'), { code: 'ECONNREFUSED' })],
    ['a status of 500', Object.assign(new Error('password=hush'), { status: 500 })],
  ])('fails like the application when %s is thrown, and no login exists', async (_what, error) => {
    const { tab, origin, named } = await start({
      onLogin() {
        throw error
      },
    })
    const revoked = revocations()
    const response = await logIn(tab, origin)
    expect([response.status, revocations() - revoked]).toEqual([500, 2])
    expect(await response.text()).not.toContain('hush')
    expect(named('login')).toEqual([])
    expect(await session(tab, origin)).toEqual({ authenticated: false })
  })

  it('refuses the user when it responds itself, and its response is sent', async () => {
    const { tab, origin, named } = await start({
      async onLogin(request) {
        request.res?.redirect('/no-access')
      },
    })
    const revoked = revocations()
    const response = await logIn(tab, origin)
    expect([response.status, response.headers.get('location')]).toEqual([302, '/no-access'])
    expect(await response.text()).toContain('/no-access')
    await until(() => named('warning').length > 0)
    expect(named('warning')).toMatchObject([{ code: 'ERR_LOGIN_REFUSED' }])
    expect([revocations() - revoked, named('login')]).toEqual([2, []])
    expect(await session(tab, origin)).toEqual({ authenticated: false })
  })

  it('that writes what the session store cannot save fails like the application, with the session as it was', async () => {
    const { tab, own, origin } = await start({
      onLogin: request => void Object.assign(request.session, { profile: 1n }),
    })
    await own.logIn('pat')
    const before = await own.data()
    expect((await logIn(tab, origin)).status).toBe(500)
    expect(await own.data()).toEqual(before)
    expect(await session(tab, origin)).toEqual({ authenticated: false })
  })

  it('has limited time', async () => {
    let aborted: unknown
    const { tab, origin } = await start({
      hookTimeoutMs: 20,
      onLogin: (_request, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => {
            aborted = signal.reason
            reject(signal.reason)
          }),
        ),
    })
    const response = await logIn(tab, origin)
    expect([response.status, await response.text()]).toEqual([503, 'ERR_HOOK_TIMEOUT'])
    expect(aborted).toMatchObject({ code: 'ERR_HOOK_TIMEOUT' })
    expect(await session(tab, origin)).toEqual({ authenticated: false })
  })

  it('runs for two users at once, each with its own session', async () => {
    const waiting: (() => void)[] = []
    const { origin } = await start({
      async onLogin(request, { user }) {
        await new Promise<void>(resolve => {
          waiting.push(resolve)
          if (waiting.length === 2) for (const go of waiting) go()
        })
        Object.assign(request.session, { profile: user.id })
      },
    })
    const tabs = [browser(), browser()]
    await Promise.all([logIn(tabs[0] as Browser, origin, 'ada'), logIn(tabs[1] as Browser, origin, 'ben')])
    const profiles = await Promise.all(tabs.map(async tab => (await ownSession(tab, origin).data()).profile))
    expect(profiles).toEqual(['ada', 'ben'])
  })
})

describe('authorizationParams', () => {
  const sent = async (tab: Browser, origin: string, query = '') => {
    const response = await tab.get(`${origin}/auth/login${query}`)
    return Object.fromEntries(new URL(response.headers.get('location') ?? 'http://none.invalid').searchParams)
  }

  it('are part of every authorization request', async () => {
    const { tab, origin } = await start({
      authorizationParams: { max_age: 60, ui_locales: 'sv de', login_hint: undefined },
    })
    const parameters = await sent(tab, origin)
    expect(parameters).toMatchObject({ max_age: '60', ui_locales: 'sv de', response_type: 'code' })
    expect(parameters).not.toHaveProperty('login_hint')
  })

  it('may depend on the request', async () => {
    const { tab, origin } = await start({
      authorizationParams: async request => ({ login_hint: String(request.query.as ?? 'nobody') }),
    })
    const both = await Promise.all(['ada', 'ben'].map(name => sent(tab, origin, `?as=${name}`)))
    expect(both.map(({ login_hint }) => login_hint)).toEqual(['ada', 'ben'])
  })

  it.each(['state', 'scope', 'redirect_uri', 'client_id', 'code_challenge', 'response_type', 'Request_URI'])(
    'of a function must not contain %s',
    async name => {
      const { tab, origin } = await start({ authorizationParams: () => ({ [name]: 'x' }) })
      const response = await tab.get(`${origin}/auth/login`)
      expect([response.status, await response.text()]).toEqual([500, 'ERR_CONFIGURATION'])
    },
  )

  it.each<[string, () => unknown]>([
    ['a URLSearchParams', () => new URLSearchParams({ prompt: 'login' })],
    ['a Map', () => new Map([['prompt', 'login']])],
  ])('of a function must not be %s, whose entries would be lost', async (_what, authorizationParams) => {
    const { tab, origin } = await start({ authorizationParams: authorizationParams as never })
    const response = await tab.get(`${origin}/auth/login`)
    expect([response.status, await response.text()]).toEqual([500, 'ERR_CONFIGURATION'])
  })

  it.each([null, undefined, 'route', 'router'])('fail with 500 when their function throws %p', async thrown => {
    const { tab, origin } = await start({ authorizationParams: () => Promise.reject(thrown) })
    expect((await tab.get(`${origin}/auth/login`)).status).toBe(500)
  })

  it('have limited time', async () => {
    const { tab, origin } = await start({ hookTimeoutMs: 20, authorizationParams: () => new Promise(() => {}) })
    const response = await tab.get(`${origin}/auth/login`)
    expect([response.status, await response.text()]).toEqual([503, 'ERR_HOOK_TIMEOUT'])
  })

  it.each(['login', 'select_account', 'consent', 'none'])('take prompt=%s from the query', async prompt => {
    const { tab, origin } = await start()
    expect(await sent(tab, origin, `?prompt=${prompt}`)).toMatchObject({ prompt })
  })

  it.each(['?prompt=create', '?prompt=login%20none', '?prompt=', '?prompt=login&prompt=login', '?max_age=0&scope=x'])(
    'take nothing else from the query: %s',
    async query => {
      const { tab, origin } = await start()
      const parameters = await sent(tab, origin, query)
      expect(parameters).not.toHaveProperty('prompt')
      expect(parameters).not.toHaveProperty('max_age')
      expect(parameters.scope).toBe('user_default offline_access')
    },
  )

  it('of the application prevail over the query', async () => {
    const { tab, origin } = await start({ authorizationParams: { prompt: 'login' } })
    expect(await sent(tab, origin, '?prompt=none')).toMatchObject({ prompt: 'login' })
  })

  it('let another person log in where the tenant remembers the last one', async () => {
    const { tab, origin } = await start()
    const jar = new Map<string, string>()
    const login = async (query: string, user: string) => {
      const response = await tab.get(`${origin}/auth/login${query}`)
      await tab.get(await tenant.authorize(response.headers.get('location') ?? '', user, { jar }))
      return await session(tab, origin)
    }
    expect(await login('', 'ada')).toMatchObject({ user: { id: 'ada' } })
    expect(await login('', 'ben')).toMatchObject({ user: { id: 'ada' } })
    expect(await login('?prompt=login', 'ben')).toMatchObject({ user: { id: 'ben' } })
  })
})
