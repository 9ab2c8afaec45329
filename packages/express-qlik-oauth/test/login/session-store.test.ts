import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { MemoryStore, type SessionData } from 'express-session'
import { memoryLoginStore, QlikOAuthError } from 'qlik-oauth'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type Application, type ApplicationOptions, startApplication } from '../support/application.ts'
import { browser } from '../support/browser.ts'

let tenant: SimulatedTenant
const open: Application[] = []

beforeAll(async () => {
  tenant = await createTenant()
})
afterEach(() => Promise.all(open.splice(0).map(application => application.close())))
afterAll(() => tenant.close())

async function start(options: ApplicationOptions): Promise<Application> {
  const application = await startApplication(tenant, {
    ...options,
    extend: app =>
      app.get('/visit', (request, response) => {
        Object.assign(request.session, { seen: true })
        response.send('seen')
      }),
  })
  open.push(application)
  return application
}

async function loggedIn({ origin }: Application) {
  const tab = browser()
  const login = await tab.get(`${origin}/auth/login`)
  expect((await tab.get(await tenant.authorize(login.headers.get('location') ?? '', 'ada'))).status).toBe(302)
  return tab
}

/** Takes more than a second for everything. */
class SlowStore extends MemoryStore {
  override get(id: string, done: (error: unknown, session?: SessionData | null) => void): void {
    setTimeout(() => super.get(id, done), slowMs)
  }
  override set(id: string, session: SessionData, done?: (error?: unknown) => void): void {
    setTimeout(() => super.set(id, session, done), slowMs)
  }
  override destroy(id: string, done?: (error?: unknown) => void): void {
    setTimeout(() => super.destroy(id, done), slowMs)
  }
}
const slowMs = 1200

/** Never calls back. */
class SilentStore extends MemoryStore {
  silent = false
  override get(id: string, done: (error: unknown, session?: SessionData | null) => void): void {
    if (!this.silent) super.get(id, done)
  }
}

describe('a session store', () => {
  it('that takes more than a second works: login, pages, session data and logout', async () => {
    const application = await start({ session: { store: new SlowStore() } })
    const tab = await loggedIn(application)
    expect((await tab.get(`${application.origin}/visit`)).status).toBe(200)
    expect((await tab.get(`${application.origin}/private`)).status).toBe(200)
    const logout = await tab.post(`${application.origin}/auth/logout`, '', { accept: 'application/json' })
    expect(logout.status).toBe(204)
    expect((await tab.get(`${application.origin}/private`)).status).toBe(302)
  }, 30_000)

  it('that does not respond is given up within a second when the login store is unavailable too', async () => {
    const logins = memoryLoginStore()
    let away = false
    const ping = async () => {
      if (away) throw new QlikOAuthError('ERR_STORE_UNAVAILABLE', 'away', { retryAfterSeconds: 1 })
    }
    const sessions = new SilentStore()
    const application = await start({ store: { ...logins, ping }, session: { store: sessions } })
    const tab = await loggedIn(application)
    sessions.silent = away = true
    const began = performance.now()
    const response = await tab.get(`${application.origin}/private`)
    expect([response.status, await response.text()]).toEqual([503, 'ERR_STORE_UNAVAILABLE'])
    expect(performance.now() - began).toBeLessThan(1000)
  })

  it('that fails is ERR_STORE_UNAVAILABLE', async () => {
    const sessions = new MemoryStore()
    const application = await start({ session: { store: sessions } })
    const tab = await loggedIn(application)
    await application.qlik.close()
    const failing = new MemoryStore()
    failing.get = (_id, done) => done(new Error('connection lost'))
    const other = await start({ session: { store: failing } })
    const response = await browser().get(`${other.origin}/private`, { cookie: tab.header(application.origin) })
    expect([response.status, await response.text()]).toEqual([503, 'ERR_STORE_UNAVAILABLE'])
  })
})

it('a warning is raised once per message', async () => {
  const application = await start({ publicUrl: 'https://app.example.com' })
  for (let times = 0; times < 5; times++)
    expect((await browser().get(`${application.origin}/auth/login`)).status).toBe(500)
  expect(application.named('warning')).toHaveLength(1)
})
