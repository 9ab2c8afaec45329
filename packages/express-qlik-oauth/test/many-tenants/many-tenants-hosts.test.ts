import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { WebSocket } from 'ws'
import { type Application, startApplication } from '../support/application.ts'
import { type Browser, browser } from '../support/browser.ts'
import { engineSocket } from '../support/engine-socket.ts'
import { localNames } from '../support/local-names.ts'

type Name = 'north' | 'south'
const names: readonly Name[] = ['north', 'south']

let realNames: () => void
let tenants: Record<Name, SimulatedTenant>
let application: Application
/** The public URL of each tenant, and a host that belongs to none. */
let urls: Record<Name | 'west', string>

beforeAll(async () => {
  realNames = localNames()
  tenants = { north: await createTenant(), south: await createTenant() }
})
beforeEach(async () => {
  application = await startApplication(tenants.north, port => {
    urls = {
      north: `http://north.localhost:${port}`,
      south: `http://south.localhost:${port}`,
      west: `http://west.localhost:${port}`,
    }
    return {
      tenants: names.map(name => ({
        tenant: tenants[name].origin,
        publicUrl: urls[name],
        clientId: 'shop',
        clientSecret: `secret-of-the-${name}`,
      })),
      tenantOf: ({ headers }) => {
        const name = names.find(one => headers.host === new URL(urls[one]).host)
        return name && tenants[name].origin
      },
    }
  })
  for (const name of names) {
    tenants[name].registerClient({
      clientId: 'shop',
      clientSecret: `secret-of-the-${name}`,
      appType: 'web',
      redirectUris: [redirectUri(name)],
    })
  }
})
afterEach(() => application.close())
afterAll(async () => {
  await Promise.all(names.map(name => tenants[name].close()))
  realNames()
})

const redirectUri = (name: Name) => `${urls[name]}/auth/callback/${new URL(tenants[name].origin).host}`
const items = '/qlik/api/v1/items?limit=1'
const requests = () => names.map(name => tenants[name].requests.length)

/** @returns The URL of the callback. */
async function authorized(tab: Browser, name: Name): Promise<URL> {
  const login = await tab.get(`${urls[name]}/auth/login?returnTo=/private`)
  return new URL(await tenants[name].authorize(login.headers.get('location') ?? '', 'ada'))
}

async function logIn(tab: Browser, name: Name): Promise<void> {
  const callback = await tab.get((await authorized(tab, name)).href)
  expect([callback.status, callback.headers.get('location')]).toEqual([302, '/private'])
}

async function loggedIn(name: Name): Promise<Browser> {
  const tab = browser()
  await logIn(tab, name)
  return tab
}

const socketAt = (name: Name | 'west', tab: Browser, headers: Record<string, string> = {}) =>
  engineSocket(urls[name], 'SessionApp_any', { cookie: tab.header(urls.north), ...headers })

describe('tenants with host names of their own', () => {
  it('log in at their own host and return to it', async () => {
    for (const name of names) {
      const login = await browser().get(`${urls[name]}/auth/login`)
      const authorization = new URL(login.headers.get('location') ?? '')
      expect(authorization.origin).toBe(tenants[name].origin)
      expect(authorization.searchParams.get('redirect_uri')).toBe(redirectUri(name))
    }
  })

  it('can be logged in to by one browser at once, each with its own cookie, REST and sockets', async () => {
    const tab = browser()
    await Promise.all(names.map(name => logIn(tab, name)))
    for (const name of names) {
      const other = name === 'north' ? tenants.south : tenants.north
      const before = other.requests.length
      expect(await (await tab.get(`${urls[name]}/private`)).json()).toMatchObject({ user: { id: 'ada' } })
      const response = await tab.get(urls[name] + items)
      expect(response.status).toBe(200)
      expect(await response.json()).toMatchObject({
        links: { next: { href: expect.stringContaining(`${urls[name]}/qlik/api/`) } },
      })
      const socket = await engineSocket(urls[name], 'SessionApp_any', { cookie: tab.header(urls[name]) })
      socket.close()
      expect(other.requests.length).toBe(before)
    }
    expect(tab.header(urls.north)).not.toBe(tab.header(urls.south))
    expect(application.named('loginEnded')).toEqual([])
  })

  it("do not accept a cookie of the other's host", async () => {
    const cookie = (await loggedIn('north')).header(urls.north)
    const before = requests()
    const at = (path: string, accept = 'application/json') =>
      fetch(urls.south + path, { headers: { cookie, accept }, redirect: 'manual' })
    expect((await at('/private')).status).toBe(401)
    expect((await at('/private', 'text/html')).headers.get('location')).toBe(
      `${urls.south}/auth/login?returnTo=%2Fprivate`,
    )
    expect((await at(items)).status).toBe(401)
    expect(await (await at('/auth/session')).json()).toEqual({ authenticated: false })
    await expect(engineSocket(urls.south, 'SessionApp_any', { cookie })).rejects.toThrow('401')
    expect(requests()).toEqual(before)
  })

  it("refuse requests from a page of the other's host", async () => {
    const tab = await loggedIn('north')
    const cookie = tab.header(urls.north)
    const before = requests()
    const post = (path: string, origin: string) =>
      fetch(urls.north + path, { method: 'POST', body: '{}', headers: { cookie, origin, accept: 'application/json' } })
    expect((await post('/qlik/api/v1/spaces', urls.south)).status).toBe(403)
    expect((await post('/auth/logout', urls.south)).status).toBe(403)
    await expect(socketAt('north', tab, { origin: urls.south })).rejects.toThrow('403')
    expect(requests()).toEqual(before)

    expect((await post('/qlik/api/v1/spaces', urls.north)).status).not.toBe(403)
    const socket = await socketAt('north', tab)
    socket.close()
  })

  it("refuse a response for a transaction at the other's host", async () => {
    const tab = browser()
    const callback = await authorized(tab, 'north')
    callback.hostname = new URL(urls.south).hostname
    const before = requests()
    expect((await tab.get(callback.href)).status).toBe(400)
    expect(requests()).toEqual(before)
  })

  it('cannot be reached at an unknown host, whatever the cookie', async () => {
    const tab = await loggedIn('north')
    const before = requests()
    const headers = { cookie: tab.header(urls.north), accept: 'application/json' }
    const at = async (path: string) => (await fetch(urls.west + path, { headers, redirect: 'manual' })).status
    expect(await at(items)).toBe(403)
    expect(await at('/private')).toBe(401)
    expect(await at('/auth/login')).toBe(400)
    expect(await at(`${new URL(redirectUri('north')).pathname}?code=a&state=b`)).toBe(400)
    expect(await (await fetch(`${urls.west}/auth/session`, { headers })).json()).toEqual({ authenticated: false })
    await expect(socketAt('west', tab)).rejects.toThrow('404')
    await expect(socketAt('west', tab, { origin: urls.north })).rejects.toThrow('404')
    const logout = await fetch(`${urls.west}/auth/logout`, {
      method: 'POST',
      headers: { ...headers, origin: urls.west },
    })
    expect(logout.status).toBe(403)
    expect(requests()).toEqual(before)
    expect((await tab.get(`${urls.north}/private`)).status).toBe(200)
  })

  it('log out at one host and stay logged in at the other', async () => {
    const tab = browser()
    for (const name of names) await logIn(tab, name)
    const [north, south] = await Promise.all(
      names.map(name => engineSocket(urls[name], 'SessionApp_any', { cookie: tab.header(urls[name]) })),
    )
    const logout = await tab.post(`${urls.north}/auth/logout`, '', { origin: urls.north, accept: 'text/html' })
    expect([logout.status, logout.headers.get('location')]).toEqual([303, '/'])
    expect(await north?.closed).toBe(4006)
    expect((await tab.get(urls.north + items)).status).toBe(401)
    expect((await tab.get(urls.south + items)).status).toBe(200)
    expect(await south?.call(-1, 'EngineVersion')).toHaveProperty('result')
    south?.close()
  })

  it('refuse an upgrade without a login at each host', async () => {
    for (const name of names) {
      const socket = new WebSocket(`${urls[name].replace('http', 'ws')}/qlik/app/SessionApp_any`, {
        headers: { origin: urls[name] },
      })
      const [, response] = await once(socket, 'unexpected-response')
      expect(response.statusCode).toBe(401)
      socket.on('error', () => {}).terminate()
    }
  })
})
