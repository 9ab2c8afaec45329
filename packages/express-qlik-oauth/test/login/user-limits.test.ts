import { expect, it } from '@jest/globals'
import { createTenant } from 'qlik-tenant-simulator'
import { startApplication } from '../support/application.ts'
import { loggedIn } from '../support/visitor.ts'

it('the logins of one user share the limit of requests, and other users have their own', async () => {
  const tenant = await createTenant()
  const application = await startApplication(tenant, { proxy: { limits: { requestsPerLogin: 1 } } })
  const { origin } = application
  try {
    const [phone, laptop] = [await loggedIn(tenant, origin, 'ada'), await loggedIn(tenant, origin, 'ada')]
    const other = await loggedIn(tenant, origin, 'ben')
    const held = tenant.faults.next({ path: /^\/api\/v1\/items/, hold: true })
    const first = phone.call(origin)
    await held.injected
    expect((await laptop.call(origin)).status).toBe(429)
    expect((await other.call(origin)).status).toBe(200)
    held.release()
    expect((await first).status).toBe(200)
    expect((await laptop.call(origin)).status).toBe(200)
  } finally {
    await application.close()
    await tenant.close()
  }
})
