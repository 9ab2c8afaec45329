import { once } from 'node:events'
import { createRequire } from 'node:module'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { registerAuthModule, setDefaultHostConfig } from '@qlik/api/auth'
import * as items from '@qlik/api/items'
import { openAppSession } from '@qlik/api/qix'
import * as users from '@qlik/api/users'
import enigma from 'enigma.js'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { WebSocket } from 'ws'
import { type Application, startApplication } from '../support/application.ts'
import { browser } from '../support/browser.ts'

const schema = createRequire(import.meta.url)('enigma.js/schemas/12.2015.0.json')

/*
 * Qlik's own clients, unmodified, through login, REST proxy and socket proxy.
 *
 * In a browser they need the host only. In Node the test adds the cookie and Origin of a page: to `fetch`, to the
 * `createSocket` function of enigma.js, and through an auth module of @qlik/api.
 */
let tenant: SimulatedTenant
let application: Application
let headers: { cookie: string; origin: string }
const ownFetch = globalThis.fetch
const host = () => `${application.origin}/qlik`

beforeAll(async () => {
  tenant = await createTenant()
  application = await startApplication(tenant)
  headers = await loggedIn('ada')
  globalThis.fetch = async (input, init) => {
    const request = new Request(input, init)
    if (request.url.startsWith(application.origin))
      for (const [name, value] of Object.entries(headers))
        if (!request.headers.has(name)) request.headers.set(name, value)
    return await ownFetch(request)
  }
  const module = {
    requiredProps: [],
    optionalProps: [],
    getRestCallAuthParams: async () => ({ headers: {}, queryParams: {}, credentials: 'same-origin' }),
    getWebSocketAuthParams: async () => ({ headers }),
    handleAuthenticationError: async () => ({}),
  }
  registerAuthModule('page' as never, module as never)
  setDefaultHostConfig({ host: host(), authType: 'page' } as never)
})
afterAll(async () => {
  globalThis.fetch = ownFetch
  await application.close()
  await tenant.close()
})

async function loggedIn(user: string): Promise<{ cookie: string; origin: string }> {
  const tab = browser()
  const login = await tab.get(`${application.origin}/auth/login`)
  await tab.get(await tenant.authorize(login.headers.get('location') ?? '', user))
  return { cookie: tab.header(application.origin), origin: application.origin }
}

async function appIds(): Promise<string[]> {
  const { data } = await items.getItems({ resourceType: 'app' })
  return data.data.map(({ resourceId }) => resourceId ?? '')
}

describe('enigma.js', () => {
  it('opens an app, reads its layout and receives a change notification', async () => {
    const [appId = ''] = await appIds()
    const session = enigma.create({
      schema,
      url: `${host().replace('http', 'ws')}/app/${appId}`,
      createSocket: url => new WebSocket(url, { headers }) as never,
    })
    const global = (await session.open()) as unknown as { openDoc(id: string): Promise<Doc> }
    const doc = await global.openDoc(appId)
    expect((await doc.getAppLayout()).qTitle).toMatch(/./)
    const object = await doc.createSessionObject({ qInfo: { qType: 'probe' }, title: 'before' })
    const changed = once(object, 'changed')
    await object.applyPatches([{ qOp: 'replace', qPath: '/title', qValue: '"after"' }], false)
    await changed
    expect((await object.getLayout()).title).toBe('after')
    await session.close()
  })

  it('receives close code 4006 when the login ends', async () => {
    const [appId = ''] = await appIds()
    const own = await loggedIn('ada')
    const session = enigma.create({
      schema,
      url: `${host().replace('http', 'ws')}/app/${appId}`,
      createSocket: url => new WebSocket(url, { headers: own }) as never,
    })
    const closed = new Promise<{ code: number }>(resolve => session.on('closed', resolve as never))
    await session.open()
    const out = await fetch(`${application.origin}/auth/logout`, { method: 'POST', headers: own })
    expect(out.status).toBeLessThan(400)
    expect((await closed).code).toBe(4006)
  })
})

describe('@qlik/api', () => {
  it('pages through the proxy with next()', async () => {
    const first = await items.getItems({ limit: 1 })
    expect(first.data.links.next?.href).toContain(host())
    const second = await first.next?.()
    expect(second?.status).toBe(200)
    expect(second?.data.data[0]?.id).not.toBe(first.data.data[0]?.id)
    const me = await users.getMyUser()
    expect(me.data.email).toBe('ada@example.com')
  })

  it('opens an app session and evaluates an expression', async () => {
    const [appId = ''] = await appIds()
    const session = openAppSession({ appId, identity: 'probe one', ttlSeconds: 0 } as never)
    const doc = await session.getDoc()
    expect((await doc.getAppLayout()).qTitle).toMatch(/./)
    expect(await doc.evaluateEx('1+1')).toMatchObject({ qNumber: 2 })
    await session.close()
  })

  it('fails to open an app that does not exist', async () => {
    const session = openAppSession({ appId: '00000000-0000-4000-8000-000000000000' })
    await expect(session.getDoc()).rejects.toThrow()
    await session.close()
  })
})

interface Doc {
  getAppLayout(): Promise<{ qTitle: string }>
  createSessionObject(properties: object): Promise<NodeJS.EventEmitter & GenericObject>
}

interface GenericObject {
  applyPatches(patches: object[], soft: boolean): Promise<void>
  getLayout(): Promise<{ title: string }>
}
