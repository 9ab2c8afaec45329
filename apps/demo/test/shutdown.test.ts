import { once } from 'node:events'
import { Agent, get as httpGet } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type DemoProcess, startDemo } from './support/demo-process.ts'

let tenant: SimulatedTenant
let idle: DemoProcess
let probed: DemoProcess

beforeAll(async () => {
  tenant = await createTenant()
  const environment = { QLIK_TENANT_URL: tenant.origin }
  ;[idle, probed] = await Promise.all([startDemo(environment), startDemo(environment)])
}, 60_000)
afterAll(async () => {
  await Promise.all([idle?.end(), probed?.end()])
  await tenant?.close()
})

describe('SIGTERM', () => {
  it('does not wait for idle keep-alive connections', async () => {
    const agent = new Agent({ keepAlive: true })
    const [response] = await once(httpGet(idle.origin, { agent }), 'response')
    response.resume()
    await once(response, 'end')
    expect(Object.keys(agent.freeSockets)).toHaveLength(1)
    const exitCode = idle.end('SIGTERM')
    // Node would keep the connection for 5 seconds, the grace is 6.
    expect(await Promise.race([exitCode, delay(4000)])).toBe(0)
    agent.destroy()
  })

  it('fails the next readiness probe before it stops accepting connections', async () => {
    const readiness = async () => {
      const response = await fetch(`${probed.origin}/readyz`)
      return [response.status, await response.json()]
    }
    expect((await readiness())[0]).toBe(200)
    const exitCode = probed.end('SIGTERM')
    let result = await readiness()
    while (result[0] === 200) result = await readiness()
    expect(result).toEqual([503, { status: 'not ready', reason: 'shutting down' }])
    // A request that the load balancer had routed before.
    expect((await fetch(`${probed.origin}/healthz`)).status).toBe(200)
    expect(await exitCode).toBe(0)
  })
})
