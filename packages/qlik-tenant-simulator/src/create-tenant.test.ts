import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { logIn, post } from '../test/support/client.ts'
import { createTenant, type SimulatedTenant } from './index.ts'

let tenant: SimulatedTenant
beforeAll(async () => {
  tenant = await createTenant()
})
afterAll(() => tenant.close())

describe('a web client', () => {
  it('logs in, reads the user and the apps, and refreshes', async () => {
    const tokens = await logIn(tenant, 'ada')
    expect(tokens).toMatchObject({ token_type: 'bearer', scope: 'user_default offline_access', expires_in: 21_600 })
    const headers = { authorization: `Bearer ${tokens.access_token}` }
    const me = await fetch(`${tenant.origin}/api/v1/users/me`, { headers })
    expect(me.redirected).toBe(true)
    expect(await me.json()).toMatchObject({ id: 'ada', name: 'Ada Lovelace', email: 'ada@example.com' })
    const items = (await (
      await fetch(`${tenant.origin}/api/v1/items?resourceType=app&limit=1`, { headers })
    ).json()) as { data: unknown[] }
    expect(items.data).toHaveLength(1)

    const refreshed = await post(`${tenant.origin}/oauth/token`, {
      grant_type: 'refresh_token',
      refresh_token: tokens.refresh_token,
      client_secret: 'demo-web-secret',
    })
    expect(refreshed.status).toBe(200)
    expect(refreshed.body.refresh_token).not.toBe(tokens.refresh_token)
  })
})
