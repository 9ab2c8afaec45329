import type { IncomingMessage } from 'node:http'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { MemoryStore } from 'express-session'
import { memoryLoginStore } from 'qlik-oauth'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { qlikAuth } from '../../src/index.ts'
import { type Application, startApplication } from '../support/application.ts'
import { type Browser, browser } from '../support/browser.ts'
import { engineSocket } from '../support/engine-socket.ts'

let north: SimulatedTenant
let south: SimulatedTenant
let application: Application

const host = (tenant: SimulatedTenant) => new URL(tenant.origin).host
const names = () =>
  new Map([
    ['north', north],
    ['south', south],
  ])

/** The user's choice at the login, or a path below the tenant's name; otherwise the login decides. */
function tenantOf({ url = '' }: IncomingMessage): string | undefined {
  const { pathname, searchParams } = new URL(url, 'http://app.invalid')
  return names().get((pathname === '/auth/login' ? searchParams.get('tenant') : pathname.split('/')[1]) ?? '')?.origin
}

beforeAll(async () => {
  north = await createTenant()
  south = await createTenant()
})
beforeEach(async () => {
  const tenants = [north, south].map(({ origin }) => ({
    tenant: origin,
    clientId: 'shop',
    clientSecret: `secret-of-${new URL(origin).port}`,
  }))
  application = await startApplication(north, {
    tenants,
    tenantOf,
    extend: (app, qlik) =>
      app.get('/:tenant/private', qlik.requireLogin(), (request, response) => void response.json(request.qlik)),
  })
  for (const tenant of [north, south]) {
    tenant.registerClient({
      clientId: 'shop',
      clientSecret: `secret-of-${new URL(tenant.origin).port}`,
      appType: 'web',
      redirectUris: [`${application.origin}/auth/callback/${host(tenant)}`],
    })
  }
})
afterEach(() => application.close())
afterAll(() => Promise.all([north.close(), south.close()]))

/** Starts a login at a tenant and authorizes it. @returns The URL of the callback. */
async function authorized(tab: Browser, name: 'north' | 'south', user = 'ada'): Promise<URL> {
  const tenant = names().get(name) ?? north
  const login = await tab.get(`${application.origin}/auth/login?tenant=${name}&returnTo=/${name}/private`)
  expect(login.headers.get('location')).toContain(`${tenant.origin}/oauth/authorize?`)
  return new URL(await tenant.authorize(login.headers.get('location') ?? '', user))
}

async function loggedIn(name: 'north' | 'south'): Promise<Browser> {
  const tab = browser()
  expect((await tab.get((await authorized(tab, name)).href)).headers.get('location')).toBe(`/${name}/private`)
  return tab
}

const redemptions = () => [north, south].flatMap(tenant => tenant.tokenRequests('authorization_code')).length

describe('many tenants', () => {
  it('are chosen at the login; /qlik serves the chosen one from then on', async () => {
    const tab = await loggedIn('south')
    const northBefore = north.requests.length
    expect((await tab.get(`${application.origin}/qlik/api/v1/items?limit=1`)).status).toBe(200)
    const socket = await engineSocket(application.origin, 'SessionApp_any', { cookie: tab.header(application.origin) })
    socket.close()
    expect(await (await tab.get(`${application.origin}/south/private`)).json()).toMatchObject({ tenant: south.origin })
    expect(north.requests.length).toBe(northBefore)
  })

  it('have their own redirect URIs', async () => {
    const tab = browser()
    expect((await authorized(tab, 'north')).pathname).toBe(`/auth/callback/${host(north)}`)
    expect((await authorized(tab, 'south')).pathname).toBe(`/auth/callback/${host(south)}`)
  })

  it('can be logged in to by two tabs at once', async () => {
    const tab = browser()
    const [first, second] = [await authorized(tab, 'north'), await authorized(tab, 'south')]
    expect((await tab.get(second.href)).headers.get('location')).toBe('/south/private')
    expect((await tab.get(first.href)).headers.get('location')).toBe('/north/private')
  })

  it('refuse a response of one for a transaction with the other, and redeem no code', async () => {
    const tab = browser()
    const [fromNorth, fromSouth] = [await authorized(tab, 'north'), await authorized(tab, 'south')]
    const before = redemptions()
    // The code of the north with the state of the south, at both redirect URIs.
    fromNorth.searchParams.set('state', fromSouth.searchParams.get('state') ?? '')
    const mixed = await tab.get(fromNorth.href)
    expect([mixed.status, await mixed.text()]).toEqual([400, 'ERR_CALLBACK_INVALID'])
    expect(redemptions()).toBe(before)
    expect(await (await tab.get(`${application.origin}/auth/session`)).json()).toEqual({ authenticated: false })
  })

  it('refuse a response at the redirect URI of another tenant, or of none', async () => {
    for (const path of [`/auth/callback/${host(south)}`, '/auth/callback', '/auth/callback/evil.example']) {
      const tab = browser()
      const callback = await authorized(tab, 'north')
      const before = redemptions()
      callback.pathname = path
      expect((await tab.get(callback.href)).status).toBe(400)
      expect(redemptions()).toBe(before)
    }
  })

  it('do not accept a login at one for a login at the other', async () => {
    const tab = await loggedIn('north')
    const elsewhere = await tab.get(`${application.origin}/south/private`)
    expect(elsewhere.status).toBe(302)
    const script = await tab.get(`${application.origin}/south/private`, { accept: 'application/json' })
    expect(script.status).toBe(401)
    expect((await tab.get(`${application.origin}/north/private`)).status).toBe(200)
  })

  it('never receive the tokens, codes and secrets of each other', async () => {
    const tabs = [await loggedIn('north'), await loggedIn('south')]
    await Promise.all(tabs.map(tab => tab.get(`${application.origin}/qlik/api/v1/items?limit=1`)))
    const heard = (tenant: SimulatedTenant) =>
      JSON.stringify(tenant.requests.map(({ path, headers, body }) => [path, headers, body]))
    const own = (tenant: SimulatedTenant) => tenant.issuedSecrets().filter(secret => !secret.startsWith('demo-'))
    for (const secret of own(north)) expect(heard(south)).not.toContain(secret)
    for (const secret of own(south)) expect(heard(north)).not.toContain(secret)
  })

  it('keep users of the same id apart', async () => {
    const tabs = [await loggedIn('north'), await loggedIn('south')]
    const { qlik, origin } = application
    expect((await qlik.logins('ada')).map(({ tenant }) => tenant).sort()).toEqual([north.origin, south.origin].sort())
    expect(await qlik.endLogins('ada', north.origin)).toBe(1)
    const statuses = await Promise.all(
      tabs.map(async tab => (await tab.get(`${origin}/qlik/api/v1/items?limit=1`)).status),
    )
    expect(statuses).toEqual([401, 200])
  })

  it('respond 400 to a login that names none of them', async () => {
    for (const choice of ['', '?tenant=west']) {
      const response = await browser().get(`${application.origin}/auth/login${choice}`)
      expect([response.status, await response.text()]).toEqual([400, 'ERR_REQUEST_INVALID'])
    }
  })

  it.each([
    ['no tenant at all', { tenants: [] }],
    ['no tenantOf', { tenantOf: undefined }],
    [
      'one tenant twice',
      { tenants: ['a', 'b'].map(clientId => ({ tenant: 'https://acme.eu.qlikcloud.com', clientId })) },
    ],
    ['a single tenant besides', { tenant: 'https://other.eu.qlikcloud.com', clientId: 'a' }],
  ])('refuse %s', (_what, wrong) => {
    const options = {
      tenants: [{ tenant: 'https://acme.eu.qlikcloud.com', clientId: 'a' }],
      tenantOf: () => undefined,
      publicUrl: 'https://app.example.com',
      session: { secret: 'a-session-secret-for-tests', store: new MemoryStore() },
      store: memoryLoginStore(),
    }
    expect(() => qlikAuth({ ...options, ...wrong } as never)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION', message: expect.stringContaining('tenant') }),
    )
  })
})
