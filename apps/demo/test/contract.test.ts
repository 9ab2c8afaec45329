import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Fault, SimulatedTenant } from 'qlik-tenant-simulator'
import { promptly, until } from 'test-support/until'
import { type DemoAtTenant, startDemoAtTenant } from './support/demo-at-tenant.ts'
import type { DemoProcess } from './support/demo-process.ts'
import { cookiesOf, logIn } from './support/log-in.ts'

let setting: DemoAtTenant
let tenant: SimulatedTenant
let demo: DemoProcess

beforeAll(async () => {
  setting = await startDemoAtTenant({ TRUST_PROXY: '1' })
  ;({ tenant, demo } = setting)
})
afterAll(() => setting.close())

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(demo.origin + path, { redirect: 'manual', headers })
const page = { accept: 'text/html' }

describe('the running demo', () => {
  it('announces its URL in the first line of its output', () =>
    expect(demo.first).toMatchObject({ msg: 'listening', url: demo.origin }))

  it.each([
    ['/', 200],
    ['/healthz', 200],
    ['/readyz', 200],
    ['/metrics', 200],
    ['/nowhere', 404],
  ])('responds to %s with %i', async (path, status) => expect((await get(path, page)).status).toBe(status))

  it.each(['x-forwarded-for', 'forwarded'])('hides metrics from requests with %s', async name =>
    expect((await get('/metrics', { [name]: 'for=192.0.2.1' })).status).toBe(404),
  )

  it.each(['/apps', '/apps/1', '/account'])(
    'redirects navigations to %s to the login and responds to scripts with 401',
    async path => {
      const visit = await get(path, page)
      expect([visit.status, visit.headers.get('location')]).toEqual([
        302,
        `${demo.origin}/auth/login?returnTo=${encodeURIComponent(path)}`,
      ])
      expect((await get(path)).status).toBe(401)
    },
  )

  it('responds without a login with 401 and an error in Qlik’s format', async () => {
    const response = await get('/qlik/api/v1/items', page)
    expect(response.status).toBe(401)
    expect(await response.json()).toEqual({
      errors: [{ code: 'login_required', title: expect.any(String), detail: expect.any(String), status: '401' }],
      traceId: expect.any(String),
    })
    expect(await (await get('/auth/session')).json()).toEqual({ authenticated: false })
  })

  it('logs in, shows the session, proxies REST, and logs out', async () => {
    const cookie = await logIn(demo.origin, tenant)
    expect(await (await get('/auth/session', { cookie })).json()).toMatchObject({
      authenticated: true,
      user: { email: 'ada@example.com' },
    })
    const items = await get('/qlik/api/v1/items?limit=2', { cookie })
    const { data, links } = (await items.json()) as { data: unknown[]; links: { next: { href: string } } }
    expect([items.status, data.length]).toEqual([200, 2])
    expect(links.next.href).toMatch(new RegExp(`^${demo.origin}/qlik/api/v1/items\\?`))
    expect((await fetch(links.next.href, { headers: { cookie } })).status).toBe(200)
    expect((await get('/account', { cookie, ...page })).status).toBe(200)

    const out = await fetch(`${demo.origin}/auth/logout`, {
      method: 'POST',
      headers: { cookie, origin: demo.origin },
      redirect: 'manual',
    })
    expect(out.status).toBeLessThan(400)
    expect((await get('/qlik/api/v1/items', { cookie })).status).toBe(401)
  })

  it('lists the logins of a user and ends one of them, never one of another user', async () => {
    const [own, other, ben] = [
      await logIn(demo.origin, tenant),
      await logIn(demo.origin, tenant),
      await logIn(demo.origin, tenant, 'ben'),
    ]
    const actions = async (cookie: string) =>
      [
        ...(await (await get('/account', { cookie, ...page })).text()).matchAll(
          /action="(\/account\/logins\/[\w-]+\/end)"/g,
        ),
      ].map(([, action = '']) => action)
    const submit = (cookie: string, action: string) =>
      fetch(demo.origin + action, {
        method: 'POST',
        headers: { cookie, origin: demo.origin, ...page },
        redirect: 'manual',
      })
    const mayCall = async (cookie: string) => (await get('/qlik/api/v1/items', { cookie })).status === 200
    const [action = ''] = await actions(own)
    await submit(ben, action)
    expect(await mayCall(other)).toBe(true)
    for (const each of await actions(own)) expect((await submit(own, each)).headers.get('location')).toBe('/account')
    expect([await mayCall(own), await mayCall(other), await mayCall(ben)]).toEqual([true, false, true])
    expect(await actions(own)).toEqual([])
  })

  it('shows a page when “Log out everywhere” is submitted after the login has ended', async () => {
    const submit = (cookie: string) =>
      fetch(`${demo.origin}/account/logins/end`, {
        method: 'POST',
        headers: { cookie, origin: demo.origin, ...page },
        redirect: 'manual',
      })
    const cookie = await logIn(demo.origin, tenant)
    const first = await submit(cookie)
    expect([first.status, first.headers.get('location')]).toEqual([303, `${demo.origin}/`])
    const second = await submit(cookie)
    expect(second.status).toBe(401)
    expect(await second.text()).toContain('Your login has ended.')
  })

  it.each<[string, string, number, (callback: URL) => void]>([
    ['an unknown code', 'Login expired', 400, ({ searchParams }) => searchParams.set('code', 'made-up')],
    ['another issuer', 'Login expired', 400, ({ searchParams }) => searchParams.set('iss', 'https://evil.example')],
    ['no consent', 'Login denied', 403, ({ searchParams }) => searchParams.set('error', 'access_denied')],
    [
      'a rejected client',
      'Login unavailable',
      502,
      () => tokenRequestFails({ status: 401, body: { error: 'invalid_client' } }),
    ],
    ['a failing tenant', 'Qlik Cloud unavailable', 503, () => tokenRequestFails({ status: 500 })],
    ['a web page instead of tokens', 'Qlik Cloud unavailable', 502, () => tokenRequestFails({ garbage: true })],
  ])('shows a page that explains a callback with %s', async (_cause, eyebrow, status, tamper) => {
    const login = await get('/auth/login', page)
    const callback = new URL(await tenant.authorize(login.headers.get('location') ?? '', 'ada'))
    tamper(callback)
    const response = await fetch(callback, { redirect: 'manual', headers: { ...page, cookie: cookiesOf(login) } })
    expect([response.status, response.headers.get('cache-control')]).toEqual([status, 'no-store'])
    expect(await response.text()).toContain(`<p class="eyebrow">${eyebrow}</p>`)
  })

  it('limits requests of anonymous visitors by the client address that the load balancer forwards', async () => {
    const visit = (path: string, address: string) => get(path, { 'x-forwarded-for': address })
    const release = tenant.faults.always({ method: 'GET', path: '/api/v1/spaces', hold: true })
    const responses = Array.from({ length: 129 }, () => visit('/public/qlik/api/v1/spaces', '192.0.2.1'))
    expect((await Promise.race(responses)).status).toBe(429)
    const other = await visit('/public/qlik/api/v1/items', '192.0.2.2')
    release()
    await Promise.all(responses)
    expect(other.status).not.toBe(429)
  })

  it.each(['/apps/1', '/apps?view=plain', '/status'])('explains at %s that the tenant is unreachable', async path => {
    const cookie = await logIn(demo.origin, tenant)
    const recover = tenant.faults.always({
      method: 'GET',
      path: /^\/api\/v1\/(?:apps|items|spaces|users)\b/,
      reset: true,
    })
    const response = await get(path, { cookie, ...page })
    recover()
    expect(response.status).toBe(502)
    expect(await response.text()).toContain('Qlik Cloud is not responding.')
  })

  it('responds with 503 within a second while Redis is down, keeps cookies, serves public pages, and recovers', async () => {
    const cookie = await logIn(demo.origin, tenant)
    await setting.redis.kill()
    await until(async () => (await get('/readyz')).status === 503)
    const response = await promptly(get('/qlik/api/v1/items', { cookie }))
    expect([response.status, response.headers.get('set-cookie')]).toEqual([503, null])
    expect(response.headers.get('retry-after')).not.toBeNull()
    const unavailable = await get('/apps', { cookie, ...page })
    expect(unavailable.status).toBe(503)
    expect(await unavailable.text()).not.toContain('Log in')
    expect((await get('/', { cookie, ...page })).status).toBe(200)
    expect((await get('/healthz')).status).toBe(200)
    await setting.redis.restart()
    await until(async () => (await get('/readyz')).status === 200)
    // Redis restarted empty: users log in again, and everything works.
    expect((await get('/qlik/api/v1/items', { cookie: await logIn(demo.origin, tenant) })).status).toBe(200)
  })

  it('logs the codes of events and errors', () => {
    expect(demo.output()).toMatch(/"code":"ERR_CALLBACK_INVALID".*"msg":"denied"/)
    expect(demo.output()).toMatch(/"code":"ERR_STORE_UNAVAILABLE".*"msg":"request failed"/)
  })

  it('writes no secret to its output', () => {
    for (const secret of tenant.issuedSecrets()) expect(demo.output()).not.toContain(secret)
  })
})

const tokenRequestFails = (fault: Fault) => void tenant.faults.next({ grant: 'authorization_code', ...fault })
