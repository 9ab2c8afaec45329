import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type Application, type ApplicationOptions, startApplication } from '../support/application.ts'
import { browser } from '../support/browser.ts'
import { loggedIn } from '../support/visitor.ts'

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

async function start(options: ApplicationOptions = {}): Promise<Application> {
  const application = await startApplication(tenant, options)
  open.push(application)
  return application
}

const traceId = '0af7651916cd43dd8448eb211c80319c'
const traceparent = `00-${traceId}-b7ad6b7169203331-01`

describe('the event of a request', () => {
  it('has its client address and trace id: login, refresh, failed refresh and logout', async () => {
    const { origin, named } = await start({ trustProxy: 1 })
    const headers = { 'x-forwarded-for': '192.0.2.7', traceparent }
    const visitor = await loggedIn(tenant, origin, 'ada', origin, headers)
    const context = { address: '192.0.2.7', traceId }
    expect(named('login')).toMatchObject([context])

    tenant.expireAccessTokens()
    const call = () =>
      visitor.browser.get(`${origin}/qlik/api/v1/items`, { ...headers, 'sec-fetch-site': 'same-origin' })
    expect((await call()).status).toBe(200)
    expect(named('refresh')).toMatchObject([{ traceId }])

    const logout = await visitor.browser.post(`${origin}/auth/logout`, '', { ...headers, origin })
    expect(logout.status).toBeLessThan(400)
    expect(named('loginEnded')).toMatchObject([{ ...context, reason: 'logout' }])
  })

  it('has the trace id of the error response', async () => {
    const { origin, named } = await start({ loginRateLimit: 1 })
    await browser().get(`${origin}/auth/login`)
    const refused = await browser().get(`${origin}/auth/login`, {
      accept: 'application/json',
      'sec-fetch-mode': 'cors',
    })
    const body: unknown = await refused.json()
    expect([refused.status, body]).toEqual([429, expect.objectContaining({ traceId: named('denied')[0]?.traceId })])
  })

  it('has the request, and shows none of it when it is logged', async () => {
    const { origin, named } = await start()
    const { cookie } = await loggedIn(tenant, origin)
    const [event] = named('login')
    expect(event?.request?.url).toMatch(/^\/auth\/callback/)
    const logged = JSON.stringify(event) + inspect(event)
    expect(logged).toContain(event?.traceId)
    for (const secret of [cookie().split('=')[1] ?? '', 'code=', 'state=']) expect(logged).not.toContain(secret)
  })

  it.each(['ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`, 'x'])(
    'has a trace id of its own for the traceparent %s',
    async invalid => {
      const { origin, named } = await start()
      await browser().get(`${origin}/private`, { cookie: 'sid=forged', traceparent: invalid })
      expect(named('denied')).toMatchObject([{ traceId: expect.stringMatching(/^(?!0{32}|0af76)[\da-f]{32}$/) }])
    },
  )
})

it('an end that no request caused names none', async () => {
  const { origin, named, qlik } = await start()
  await loggedIn(tenant, origin)
  const [login] = named('login')
  await qlik.endLogins(login?.user.id ?? '')
  expect(named('loginEnded').map(event => Object.keys(event).sort())).toEqual([['login', 'reason', 'tenant', 'user']])
})
