import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Fault, SimulatedTenant } from 'qlik-tenant-simulator'
import { until } from 'test-support/until'
import { type DemoAtTenant, startDemoAtTenant } from './support/demo-at-tenant.ts'
import { type DemoProcess, refusedStart, startDemo } from './support/demo-process.ts'

let setting: DemoAtTenant
let tenant: SimulatedTenant
let demo: DemoProcess

beforeAll(async () => {
  setting = await startDemoAtTenant()
  ;({ tenant, demo } = setting)
})
afterAll(() => setting.close())

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(demo.origin + path, { redirect: 'manual', headers })
const page = { accept: 'text/html' }

describe('the running demo', () => {
  it('says first where it listens', () => expect(demo.first).toMatchObject({ msg: 'listening', url: demo.origin }))

  it.each([
    ['/', 200],
    ['/healthz', 200],
    ['/readyz', 200],
    ['/metrics', 200],
    ['/nowhere', 404],
  ])('answers %s with %i', async (path, status) => expect((await get(path, page)).status).toBe(status))

  it.each(['/apps', '/apps/1', '/account'])('sends visitors of %s to the login and tells scripts 401', async path => {
    const visit = await get(path, page)
    expect([visit.status, visit.headers.get('location')]).toEqual([
      302,
      `/auth/login?returnTo=${encodeURIComponent(path)}`,
    ])
    expect((await get(path)).status).toBe(401)
  })

  it('answers what is not for strangers in Qlik’s shape', async () => {
    const answer = await get('/qlik/api/v1/items', page)
    expect(answer.status).toBe(401)
    expect(await answer.json()).toEqual({
      errors: [{ code: 'login_required', title: expect.any(String), detail: expect.any(String), status: '401' }],
      traceId: expect.any(String),
    })
    expect(await (await get('/auth/session')).json()).toEqual({ authenticated: false })
  })

  it('logs in, shows the session, proxies REST, and logs out', async () => {
    const cookie = await logIn()
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

  it.each<[string, string, number, (callback: URL) => void]>([
    ['a code of somebody else', 'Login out of date', 400, ({ searchParams }) => searchParams.set('code', 'made-up')],
    ['another issuer', 'Login out of date', 400, ({ searchParams }) => searchParams.set('iss', 'https://evil.example')],
    ['no consent', 'Login refused', 403, ({ searchParams }) => searchParams.set('error', 'access_denied')],
    [
      'a refused client',
      'Login not possible',
      502,
      () => redemptionFails({ status: 401, body: { error: 'invalid_client' } }),
    ],
    ['a tenant that fails', 'Not reachable', 503, () => redemptionFails({ status: 500 })],
    ['a web page instead of tokens', 'Not reachable', 502, () => redemptionFails({ garbage: true })],
  ])('explains to a person who comes back with %s', async (_what, eyebrow, status, spoil) => {
    const login = await get('/auth/login', page)
    const callback = new URL(await tenant.authorize(login.headers.get('location') ?? '', 'ada'))
    spoil(callback)
    const answer = await fetch(callback, { redirect: 'manual', headers: { ...page, cookie: pairs(login) } })
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([status, 'no-store'])
    expect(await answer.text()).toContain(`<p class="eyebrow">${eyebrow}</p>`)
  })

  it('survives Redis: 503 within a second with the cookie kept, public pages served, and back again', async () => {
    const cookie = await logIn()
    await setting.redis.kill()
    await until(async () => (await get('/readyz')).status === 503)
    const begun = performance.now()
    const answer = await get('/qlik/api/v1/items', { cookie })
    expect([answer.status, answer.headers.get('set-cookie')]).toEqual([503, null])
    expect(answer.headers.get('retry-after')).not.toBeNull()
    expect(performance.now() - begun).toBeLessThan(1500)
    expect((await get('/apps', { cookie, ...page })).status).toBe(503)
    expect((await get('/', { cookie, ...page })).status).toBe(200)
    expect((await get('/healthz')).status).toBe(200)
    await setting.redis.restart()
    await until(async () => (await get('/readyz')).status === 200)
    // The server came back empty, so everybody logs in again; nothing else is needed.
    expect((await get('/qlik/api/v1/items', { cookie: await logIn() })).status).toBe(200)
  })

  it('shows no secret in what it writes', () => {
    for (const secret of tenant.issuedSecrets()) expect(demo.output()).not.toContain(secret)
  })
})

describe('a second demo', () => {
  it('ends cleanly at SIGTERM', async () => {
    const other = await startDemo({ QLIK_TENANT_URL: tenant.origin })
    expect(await other.end('SIGTERM')).toBe(0)
  })

  it('says that its port is taken', async () => {
    const { code, said } = await refusedStart({ QLIK_TENANT_URL: tenant.origin, PORT: new URL(demo.origin).port })
    expect([code, said.trim().split('\n').length]).toEqual([1, 1])
    expect(said).toMatch(/PORT \d+ is taken/)
  })
})

const redemptionFails = (fault: Fault) => void tenant.faults.next({ grant: 'authorization_code', ...fault })

async function logIn(): Promise<string> {
  const login = await get('/auth/login', page)
  const callback = await tenant.authorize(login.headers.get('location') ?? '', 'ada')
  const back = await fetch(callback, { redirect: 'manual', headers: { cookie: pairs(login) } })
  expect(back.status).toBe(302)
  return pairs(back)
}

function pairs(answer: Response): string {
  return answer.headers
    .getSetCookie()
    .map(line => line.split(';')[0])
    .join('; ')
}
