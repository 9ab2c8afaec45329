import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type Application, type ApplicationOptions, startApplication } from '../support/application.ts'
import { type Browser, browser } from '../support/browser.ts'
import { ownLogin, ownSession } from '../support/own-login.ts'

let tenant: SimulatedTenant
const open: Application[] = []

beforeAll(async () => {
  tenant = await createTenant()
})
afterEach(() => Promise.all(open.splice(0).map(application => application.close())))
afterAll(() => tenant.close())

/** Logs in to the application and at the tenant. */
async function start(logout: ApplicationOptions['logout']) {
  const application = await startApplication(tenant, { extend: ownLogin, ...(logout && { logout }) })
  open.push(application)
  const { origin } = application
  const tab = browser()
  const own = ownSession(tab, origin)
  const jar = new Map<string, string>()
  await own.logIn('pat')
  const authorized = async () => {
    const login = await tab.get(`${origin}/auth/login`)
    return await tenant.authorize(login.headers.get('location') ?? '', 'ada', { jar })
  }
  await tab.get(await authorized())
  return { ...application, tab, own, jar }
}

const isLoggedIn = async (tab: Browser, origin: string) => {
  const { authenticated } = (await (await tab.get(`${origin}/auth/session`)).json()) as { authenticated: boolean }
  return authenticated
}
const form = { accept: 'text/html', 'sec-fetch-mode': 'navigate' }
const script = { accept: 'application/json' }

describe('logout', () => {
  it('destroys the session of the application, unless it is to be kept', async () => {
    const { tab, own, origin } = await start(undefined)
    expect((await tab.post(`${origin}/auth/logout`, '', script)).status).toBe(204)
    expect(await own.data()).toMatchObject({ user: null })
  })

  it('keeps the session of the application with session: "keep"', async () => {
    const { tab, own, origin, named } = await start({ session: 'keep' })
    const before = await own.data()
    const cookie = tab.cookies(origin).get('sid')
    expect((await tab.post(`${origin}/auth/logout`, '', script)).status).toBe(204)
    expect(await own.data()).toEqual(before)
    expect(tab.cookies(origin).get('sid')).toBe(cookie)
    expect(await isLoggedIn(tab, origin)).toBe(false)
    expect(named('loginEnded')).toMatchObject([{ reason: 'logout' }])
  })

  it('leads to returnTo', async () => {
    const { tab, origin } = await start({ returnTo: '/goodbye?from=qlik' })
    const response = await tab.post(`${origin}/auth/logout`, '', form)
    expect([response.status, response.headers.get('location')]).toEqual([303, '/goodbye?from=qlik'])
  })

  it('of a form leads through the logout page of the tenant, so that the next login asks who logs in', async () => {
    const { tab, origin, jar } = await start({ tenant: true, returnTo: '/goodbye' })
    const page = await tab.post(`${origin}/auth/logout`, '', form)
    const [, url = ''] = /<meta http-equiv="refresh" content="0;url=([^"]+)">/.exec(await page.text()) ?? []
    expect([page.status, url]).toEqual([
      200,
      `${tenant.origin}/logout?returnto=${encodeURIComponent(`${origin}/goodbye`)}`,
    ])
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const left = await fetch(url, { redirect: 'manual', headers: { cookie } })
    expect([left.status, left.headers.get('location')]).toEqual([302, `${origin}/goodbye`])
    const login = await tab.get(`${origin}/auth/login`)
    const callback = await tenant.authorize(login.headers.get('location') ?? '', 'ben', { jar })
    await tab.get(callback)
    expect(await (await tab.get(`${origin}/auth/session`)).json()).toMatchObject({ user: { id: 'ben' } })
  })

  it('of a script names the logout page of the tenant as JSON', async () => {
    const { tab, origin } = await start({ tenant: true, returnTo: '/goodbye' })
    const response = await tab.post(`${origin}/auth/logout`, '', script)
    const location = `${tenant.origin}/logout?returnto=${encodeURIComponent(`${origin}/goodbye`)}`
    expect([response.status, await response.json()]).toEqual([200, { location }])
    expect(await isLoggedIn(tab, origin)).toBe(false)
  })
})
