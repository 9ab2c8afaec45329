import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { type Browser, browser } from './support/browser.ts'
import { engineSocket } from './support/engine-socket.ts'
import { type Example, logIn, startExample } from './support/example.ts'

let redis: RedisServer
const open: Example[] = []

beforeAll(async () => {
  redis = await startRedis()
})
afterEach(() => Promise.all(open.splice(0).map(example => example.stop())))
afterAll(() => redis.stop())

async function start(file: string, variables: Record<string, string> = {}): Promise<string> {
  const example = await startExample(file, variables)
  open.push(example)
  return example.origin
}

/** Logs in at the own login of two of the examples. */
async function ownLogin(origin: string, user: string) {
  const tab = browser()
  expect((await tab.post(`${origin}/login`, `user=${user}`)).status).toBe(303)
  return tab
}

interface Items {
  readonly data: { readonly name: string; readonly resourceId: string }[]
}
const items = '/qlik/api/v1/items?resourceType=app&limit=100'

describe('examples', () => {
  it.each(['minimal.ts', 'redis.ts', 'node-redis.ts', 'express-4-commonjs.cjs'])(
    '%s logs in, and proxies REST and WebSockets',
    async file => {
      const origin = await start(file, { REDIS_URL: redis.url })
      expect((await fetch(origin + items)).status).toBe(401)
      const tab = await logIn(origin)
      expect(await (await tab.get(origin)).text()).toBe('Logged in as Ada Lovelace')
      const { data } = (await (await tab.get(origin + items)).json()) as Items
      const socket = await engineSocket(origin, data[0]?.resourceId ?? '', { cookie: tab.header(origin) })
      expect(await socket.call(-1, 'OpenDoc', [data[0]?.resourceId])).toHaveProperty('result.qReturn.qHandle')
      await tab.post(`${origin}/auth/logout`)
      expect(await socket.closed).toBe(4006)
    },
  )

  it('api-client.ts calls the tenant as its user, and names a missing scope', async () => {
    const origin = await start('api-client.ts')
    const tab = await logIn(origin)
    expect(await (await tab.get(origin)).json()).toContain('Gapminder')
    const refused = await tab.get(`${origin}/users`, { accept: 'application/json' })
    expect([refused.status, await refused.text()]).toEqual([403, expect.stringContaining('admin_classic')])
  })

  it('impersonation.ts shows each user their own apps, and closes their sockets at logout', async () => {
    const origin = await start('impersonation.ts')
    expect((await fetch(origin + items)).status).toBe(401)
    await expect(engineSocket(origin, 'any')).rejects.toThrow('401')
    const [ada, ben] = [await ownLogin(origin, 'ada'), await ownLogin(origin, 'ben')]
    const seen = await Promise.all(
      [ada, ben].map(async tab => ((await (await tab.get(origin + items)).json()) as Items).data),
    )
    expect(seen[0]?.length).toBeGreaterThan(seen[1]?.length ?? 0)
    const app = seen[1]?.[0]?.resourceId ?? ''
    const [adas, bens] = await Promise.all(
      [ada, ben].map(tab => engineSocket(origin, app, { cookie: tab.header(origin) })),
    )
    await ben.post(`${origin}/logout`)
    expect(await bens?.closed).toBe(4006)
    expect(await adas?.call(-1, 'OpenDoc', [app])).toHaveProperty('result.qReturn.qHandle')
    adas?.close()
  })

  it('access-tokens.ts gives a token to its own pages, for logged-in users', async () => {
    const origin = await start('access-tokens.ts')
    expect((await browser().post(`${origin}/access-token`)).status).toBe(401)
    const tab = await ownLogin(origin, 'ada')
    expect((await tab.post(`${origin}/access-token`, '', { 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    const given = await tab.post(`${origin}/access-token`)
    expect([given.status, given.headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect(await given.json()).toEqual({ accessToken: expect.any(String) })
  })

  it('machine.ts is public and read-only', async () => {
    const origin = await start('machine.ts')
    expect((await fetch(origin + items)).status).toBe(200)
    const write = await browser().post(`${origin}/qlik/api/v1/items`, '{}')
    expect([write.status, write.headers.get('allow')]).toEqual([405, 'GET'])
  })

  it('anonymous.ts opens the tenant to visitors', async () => {
    const origin = await start('anonymous.ts')
    const { data } = (await (await fetch(origin + items)).json()) as Items
    const socket = await engineSocket(origin, data[0]?.resourceId ?? '')
    expect(await socket.call(-1, 'OpenDoc', [data[0]?.resourceId])).toHaveProperty('result.qReturn.qHandle')
    socket.close()
  })

  it('single-page.ts serves the page with its configuration, policy and scripts, and the callback', async () => {
    const origin = await start('single-page.ts')
    const page = await fetch(origin)
    const html = await page.text()
    expect(html).toContain(`data-redirect-uri="${origin}/spa/callback"`)
    const tenant = /data-host="([^"]+)"/.exec(html)?.[1]
    expect(page.headers.get('content-security-policy')).toContain(
      `connect-src 'self' ${tenant} ${tenant?.replace('http', 'ws')}`,
    )
    const callback = await (await fetch(`${origin}/spa/callback?code=a&state=b`)).text()
    for (const source of [html, callback]) {
      const script = await fetch(origin + /<script src="([^"]+)"/.exec(source)?.[1])
      expect([script.status, script.headers.get('content-type')]).toEqual([200, expect.stringContaining('javascript')])
    }
  })

  it('many-tenants.ts separates the logins of two tenants and applies the path rules of each', async () => {
    const origin = await start('many-tenants.ts')
    const tab = await logIn(origin, '/north', 'ada')
    expect(await (await tab.get(`${origin}/north`)).text()).toBe('Ada Lovelace at north')
    const south = await tab.get(`${origin}/south`)
    expect([south.status, south.headers.get('location')]).toEqual([302, '/auth/login?tenant=south&returnTo=/south'])
    expect((await tab.get(origin + items)).status).toBe(200)
    expect((await tab.get(`${origin}/auth/login?tenant=east`)).status).toBe(400)
    const write = (one: Browser) => one.post(`${origin}/qlik/api/v1/spaces`, '{}')
    expect([(await write(tab)).status, (await write(await logIn(origin, '/south'))).status]).toEqual([415, 405])
  })
})
