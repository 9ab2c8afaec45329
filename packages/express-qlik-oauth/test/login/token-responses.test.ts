import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type Application, startApplication } from '../support/application.ts'
import { browser } from '../support/browser.ts'
import { loggedIn } from '../support/visitor.ts'

let tenant: SimulatedTenant
let application: Application
let accessToken: string

beforeAll(async () => {
  tenant = await createTenant()
  application = await startApplication(tenant)
  const response = await fetch(`${tenant.origin}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: 'demo-m2m',
      client_secret: 'demo-m2m-secret',
    }),
  })
  const tokens = (await response.json()) as { access_token: string }
  accessToken = tokens.access_token
})
afterEach(() => tenant.faults.clear())
afterAll(async () => {
  await application.close()
  await tenant.close()
})

const lenient: [Record<string, unknown>][] = [
  [{ refresh_token: '' }],
  [{ refresh_token: null, scope: null, id_token: null, expires_at: null }],
  [{ scope: '', id_token: '' }],
  [{ expires_in: '3600' }],
  [{ expires_in: '' }],
  [{ token_type: 'BEARER' }],
  [{ example: { nested: ['value'] }, constructor: 'x', __proto__: null }],
]
const malformed: [Record<string, unknown>][] = [
  [{ access_token: '' }],
  [{ access_token: null }],
  [{ token_type: 'mac' }],
  [{ refresh_token: 7 }],
  [{ scope: ['user_default'] }],
]

async function logIn(fields: Record<string, unknown>): Promise<Response> {
  const tab = browser()
  const login = await tab.get(`${application.origin}/auth/login`)
  const callback = await tenant.authorize(login.headers.get('location') ?? '', 'ada')
  tenant.faults.next({
    grant: 'authorization_code',
    body: { access_token: accessToken, token_type: 'Bearer', ...fields },
  })
  return await tab.get(callback)
}

async function refresh(fields: Record<string, unknown>): Promise<number> {
  const visitor = await loggedIn(tenant, application.origin)
  tenant.revokeAccessTokens('ada')
  tenant.faults.next({ grant: 'refresh_token', body: { access_token: accessToken, token_type: 'Bearer', ...fields } })
  return (await visitor.call(application.origin)).status
}

describe('a token response with absent fields', () => {
  it.each(lenient)('logs in: %j', async fields => expect((await logIn(fields)).status).toBe(302))
  it.each(lenient)('refreshes: %j', async fields => expect(await refresh(fields)).toBe(200))
})

describe('a malformed token response', () => {
  it.each(malformed)('logs nobody in: %j', async fields => {
    const response = await logIn(fields)
    expect([response.status, await response.text()]).toEqual([502, 'ERR_TOKEN_RESPONSE'])
  })
  it.each(malformed)('does not refresh: %j', async fields => expect(await refresh(fields)).toBe(503))
})
