import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Browser, Page } from 'playwright-core'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { launchChromium } from 'test-support/chromium'
import { freePort } from 'test-support/free-port'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { until } from 'test-support/until'
import { type DemoProcess, startDemo } from './support/demo-process.ts'
import { type LoadBalancer, startLoadBalancer } from './support/load-balancer.ts'
import { logIn } from './support/log-in.ts'

let tenant: SimulatedTenant
let redis: RedisServer
let browser: Browser
let balancer: LoadBalancer
let environment: Record<string, string>
const demos = new Map<number, DemoProcess>()

beforeAll(async () => {
  ;[tenant, redis, browser, balancer] = await Promise.all([
    createTenant(),
    startRedis(),
    launchChromium(),
    startLoadBalancer(),
  ])
  tenant.registerClient({
    clientId: 'demo-web',
    clientSecret: 'demo-web-secret',
    appType: 'web',
    redirectUris: [`${balancer.origin}/auth/callback`],
    allowedScopes: ['user_default', 'offline_access'],
  })
  // Long enough for requests to be in progress at every restart.
  tenant.faults.always({ method: 'POST', path: '/api/v1/spaces', delayMs: 400 })
  environment = {
    QLIK_TENANT_URL: tenant.origin,
    REDIS_URL: redis.url,
    PUBLIC_URL: balancer.origin,
    SESSION_SECRET: randomBytes(32).toString('base64'),
    TOKEN_KEYS: randomBytes(32).toString('base64'),
    LOGIN_RATE_LIMIT: '0',
    LOG_LEVEL: 'warn',
  }
  const ports = await Promise.all([freePort(), freePort(), freePort()])
  await Promise.all(ports.map(start))
  for (const port of ports) balancer.add(port)
  await until(() => balancer.ready.size === ports.length)
}, 90_000)

afterAll(async () => {
  await browser?.close()
  await balancer?.close()
  await Promise.all([...demos.values()].map(demo => demo.end()))
  await Promise.all([tenant?.close(), redis?.stop()])
}, 30_000)

describe('a rolling restart of three processes under load', () => {
  it('fails no request, loses no login, and leaves every chart alive', async () => {
    const page = await openDashboard()
    const load = startLoad(await Promise.all(['ada', 'ben', 'tess'].map(user => logIn(balancer.origin, tenant, user))))

    for (const [port, demo] of [...demos]) {
      const requestsBefore = load.completed()
      expect(await demo.end('SIGTERM')).toBe(0)
      await start(port)
      await until(() => balancer.ready.has(port), 20_000)
      await until(() => load.completed() > requestsBefore + 20)
    }

    expect(await load.stop()).toEqual([])
    await expectLiveCharts(page)
  }, 90_000)
})

async function start(port: number): Promise<void> {
  demos.set(port, await startDemo({ ...environment, PORT: String(port) }))
}

/** Users who read, write, open pages and check their login, each in a loop, and users who log in. */
function startLoad(cookies: readonly string[]) {
  const failures: string[] = []
  let completed = 0
  let isStopped = false

  async function send(path: string, expectedStatus: number, init: RequestInit = {}): Promise<string> {
    const what = `${init.method ?? 'GET'} ${path}`
    try {
      const response = await fetch(balancer.origin + path, { redirect: 'manual', ...init })
      const body = await response.text()
      completed += 1
      if (response.status !== expectedStatus)
        failures.push(`${what}: ${response.status} ${response.headers.get('x-balancer') ?? ''} ${body.slice(0, 200)}`)
      return body
    } catch (error) {
      failures.push(`${what}: ${error} ${error instanceof Error ? error.cause : ''}`)
      return ''
    }
  }

  async function repeat(step: () => Promise<unknown>): Promise<void> {
    while (!isStopped) await step()
  }

  const loops = cookies.flatMap((cookie, user) => [
    repeat(async () => {
      await send('/qlik/api/v1/items?limit=2', 200, { headers: { cookie } })
      await send('/account', 200, { headers: { cookie, accept: 'text/html' } })
      const session = await send('/auth/session', 200, { headers: { cookie } })
      if (!session.includes('"authenticated":true')) failures.push(`Lost login of user ${user}: ${session}`)
    }),
    repeat(() =>
      send('/qlik/api/v1/spaces', 201, {
        method: 'POST',
        headers: { cookie, origin: balancer.origin, 'content-type': 'application/json' },
        body: JSON.stringify({ name: `Space ${completed}`, type: 'shared' }),
      }),
    ),
  ])
  loops.push(
    repeat(async () => {
      await logIn(balancer.origin, tenant).catch(error => failures.push(`Login: ${error}`))
    }),
  )

  return {
    completed: () => completed,
    async stop(): Promise<readonly string[]> {
      isStopped = true
      await Promise.all(loops)
      return failures
    },
  }
}

async function openDashboard(): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } })
  page.setDefaultTimeout(20_000)
  await page.goto(`${balancer.origin}/auth/login?returnTo=/apps/5d6f1c1e-2b0a-4c7e-9a51-0c8e7f3b1955`)
  await page.getByRole('button', { name: /Ada/ }).click()
  await page.getByRole('button', { name: 'Allow' }).click()
  await population(page).getByText('3.57B').waitFor()
  await page.evaluate(() => {
    document.title = 'Opened before the restarts'
  })
  return page
}

async function expectLiveCharts(page: Page): Promise<void> {
  expect(await page.title()).toBe('Opened before the restarts')
  const regions = page.locator('section[aria-label="Region"]')
  await regions.getByText('South Asia').click()
  await population(page).getByText('3.57B').waitFor({ state: 'detached' })
  expect(await page.getByText(/Connecting|Reload the page/).count()).toBe(0)
}

const population = (page: Page) => page.locator('section[aria-label="Population"]')
