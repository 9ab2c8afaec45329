import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { registerAuthModule, setDefaultHostConfig } from '@qlik/api/auth'
import { openAppSession } from '@qlik/api/qix'
import enigma from 'enigma.js'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type Browser, colours, launchChromium } from 'test-support/chromium'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { startAll } from 'test-support/start-all'
import { WebSocket } from 'ws'
import {
  type ApplicationProcess,
  type ProcessSettings,
  settingsFor,
  startApplicationProcess,
} from '../support/application-processes.ts'
import { type TcpSwitch, tcpSwitch } from '../support/tcp-switch.ts'
import { loggedIn } from '../support/visitor.ts'

/*
 * A rolling restart as open dashboards see it: a balancer sends new connections to the next process, and the old one is
 * told to end. Qlik's clients go on in the next process, without a reload of the page.
 */
const schema = createRequire(import.meta.url)('enigma.js/schemas/12.2015.0.json')
const appId = '5d6f1c1e-2b0a-4c7e-9a51-0c8e7f3b1955'

let redis: RedisServer
let tenant: SimulatedTenant
let balancer: TcpSwitch
let chromium: Browser
let settings: ProcessSettings
let old: ApplicationProcess
let next: ApplicationProcess
let headers: Record<string, string> = {}
const ownFetch = globalThis.fetch

beforeAll(async () => {
  ;[redis, tenant, balancer, chromium] = await startAll(startRedis(), createTenant(), tcpSwitch(), launchChromium())
  settings = settingsFor(tenant, redis.url, [randomBytes(32).toString('base64')], balancer.origin)
  next = await startApplicationProcess(settings)
  // Node has neither the cookie nor the Origin of a page.
  globalThis.fetch = async (input, init) => {
    const request = new Request(input, init)
    if (request.url.startsWith(balancer.origin))
      for (const [name, value] of Object.entries(headers))
        if (!request.headers.has(name)) request.headers.set(name, value)
    return await ownFetch(request)
  }
  const authModule = {
    requiredProps: [],
    optionalProps: [],
    getRestCallAuthParams: async () => ({ headers: {}, queryParams: {}, credentials: 'same-origin' }),
    getWebSocketAuthParams: async () => ({ headers }),
    handleAuthenticationError: async () => ({}),
  }
  registerAuthModule('page' as never, authModule as never)
  setDefaultHostConfig({ host: `${balancer.origin}/qlik`, authType: 'page' } as never)
})
beforeEach(async () => {
  old = next
  balancer.target = old.origin
  headers = {}
  const { cookie } = await loggedIn(tenant, balancer.origin)
  headers = { cookie: cookie(), origin: balancer.origin }
  next = await startApplicationProcess(settings)
})
afterEach(() => old.stop())
afterAll(async () => {
  globalThis.fetch = ownFetch
  await next?.stop()
  await chromium?.close()
  await balancer?.close()
  await tenant?.close()
  await redis?.stop()
})

async function rollingRestart(): Promise<void> {
  balancer.target = next.origin
  await old.stop()
}

describe('a rolling restart', () => {
  it.each([false, true])('resumes an app session of @qlik/api: autoResume %j', async autoResume => {
    const session = openAppSession({ appId, autoResume } as never)
    const events: { eventType: string; code?: number }[] = []
    const resumed = new Promise<void>(resolve =>
      session.onWebSocketEvent(event => {
        events.push(event as never)
        if (event.eventType === 'resumed') resolve()
      }),
    )
    const doc = await session.getDoc()
    const object = await doc.createSessionObject({
      qInfo: { qType: 'probe' },
      title: { qStringExpression: "='T'" },
    } as never)
    expect(await object.getLayout()).toMatchObject({ title: 'T' })

    await rollingRestart()
    await resumed
    expect(events.find(({ eventType }) => eventType === 'suspended')).toMatchObject({ code: 4003 })
    expect(await doc.evaluateEx('1+1')).toMatchObject({ qNumber: 2 })
    expect(await object.getLayout()).toMatchObject({ title: 'T' })
    await session.close()
  })

  it('lets enigma.js resume a session that suspends on close', async () => {
    const session = enigma.create({
      schema,
      url: `${balancer.origin.replace('http', 'ws')}/qlik/app/${appId}`,
      createSocket: url => new WebSocket(url, { headers }) as never,
      suspendOnClose: true,
    })
    const global = (await session.open()) as unknown as { openDoc(id: string): Promise<Doc> }
    const doc = await global.openDoc(appId)
    const suspended = once(session as never, 'suspended')
    await rollingRestart()
    const [event] = await suspended
    expect(event).toMatchObject({ code: 4003 })
    await session.resume()
    expect((await doc.getAppLayout()).qTitle).toMatch(/./)
    await session.close()
  })

  it('keeps a chart of qlik-embed on its page', async () => {
    const page = await chromium.newPage()
    await page.goto(`${balancer.origin}/auth/login?returnTo=/dashboard`)
    await page.getByRole('button', { name: /Ada/ }).first().click()
    const chart = page.locator('qlik-embed svg, qlik-embed canvas').first()
    await chart.waitFor()
    await page.evaluate(() => Object.assign(window, { sameDocument: true }))

    const reopened = page.waitForEvent('websocket')
    await rollingRestart()
    const socket = await reopened
    await socket.waitForEvent('framereceived')
    await chart.waitFor()
    expect(await colours(page.locator('div').first())).toBeGreaterThan(3)
    expect(await page.evaluate(() => 'sameDocument' in window)).toBe(true)
    await page.close()
  })
})

interface Doc {
  getAppLayout(): Promise<{ qTitle: string }>
}
