import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { MemoryStore } from 'express-session'
import { memoryLoginStore } from 'qlik-oauth'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type Application, startApplication } from '../support/application.ts'
import { browser } from '../support/browser.ts'

let tenant: SimulatedTenant
const open: Application[] = []

beforeAll(async () => {
  tenant = await createTenant()
})
afterEach(async () => {
  tenant.faults.clear()
  await Promise.all(open.splice(0).map(application => application.close()))
})
afterAll(() => tenant.close())

describe('a callback in progress when the process ends', () => {
  it.each(['/oauth/token', '/api/v1/users/me'])(
    'at %s is 503, and the login completes in another process',
    async path => {
      const stores = { store: memoryLoginStore(), session: { store: new MemoryStore() } }
      const first = await startApplication(tenant, stores)
      const second = await startApplication(tenant, { ...stores, publicUrl: first.origin })
      open.push(first, second)
      const tab = browser()
      const login = await tab.get(`${first.origin}/auth/login?returnTo=/private/7`)
      const callback = await tenant.authorize(login.headers.get('location') ?? '', 'ada')
      const held = tenant.faults.next({ path, hold: true })
      const response = tab.get(callback, { accept: 'text/html' })
      await held.injected
      await first.qlik.close({ graceMs: 0 })
      const closed = await response
      expect([closed.status, await closed.text()]).toEqual([503, 'ERR_CLOSING'])
      held.release()

      // The user reloads the page, and the balancer chooses another process.
      const elsewhere = (url: string) => url.replace(first.origin, second.origin)
      const again = await tab.get(elsewhere(callback), { accept: 'text/html' })
      expect(again.headers.get('location')).toContain(`${tenant.origin}/oauth/authorize`)
      const done = await tab.get(elsewhere(await tenant.authorize(again.headers.get('location') ?? '', 'ada')))
      expect([done.status, done.headers.get('location')]).toEqual([302, '/private/7'])
      // Tokens that were issued, and can no longer be revoked, are reported.
      expect(first.named('revocationFailed').length > 0).toBe(path !== '/oauth/token')
    },
  )
})
