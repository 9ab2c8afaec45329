import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { MemoryStore } from 'express-session'
import { memoryLoginStore } from 'qlik-oauth'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { selfSigned } from 'test-support/certificate'
import { freePort } from 'test-support/free-port'
import { promptly, until } from 'test-support/until'
import { type Application, startApplication } from './support/application.ts'
import { type BalancerProgram, balancerNames, startBalancerProgram } from './support/balancer-program.ts'
import { engineSocket } from './support/engine-socket.ts'
import { type Http2Browser, http2Browser } from './support/http2-browser.ts'

/** One of the two processes, as the balancer sees it. */
interface Backend {
  readonly application: Application
  /** Requests that it served, apart from health checks. */
  served: number
  /** What `/readyz` says. */
  isReady: boolean
  /** Whether `/readyz` has said that it is not ready. */
  saidUnready: boolean
  drain(): Promise<void>
}

const certificate = selfSigned('localhost')
const ca = certificate.cert
let tenant: SimulatedTenant

beforeAll(async () => {
  // After its first event a stream waits for longer than the test.
  tenant = await createTenant({ streamIntervalMs: 600_000 })
})
afterAll(() => tenant.close())

describe.each(balancerNames)('docs/balancers, %s', name => {
  let origin: string
  let backends: [Backend, Backend]
  let balancer: BalancerProgram
  let browser: Http2Browser

  beforeAll(async () => {
    const port = await freePort()
    origin = `https://localhost:${port}`
    const shared = { publicUrl: origin, session: { store: new MemoryStore() }, store: memoryLoginStore() }
    backends = [await startBackend(shared), await startBackend(shared)]
    const [first, second] = backends.map(({ application }) => portOf(application))
    balancer = await startBalancerProgram(name, port, [first ?? 0, second ?? 0], certificate)
    browser = await http2Browser(origin, ca)
    await until(async () => (await browser.get('/')).status === 200)
  })
  afterAll(async () => {
    browser?.close()
    for (const { application } of backends) await application.close()
    await balancer?.close()
  })

  it('logs in over HTTP/2, with Secure cookies and the address of the client', async () => {
    const forged = { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'http' }
    const login = await browser.get('/auth/login', forged)
    const callback = new URL(await tenant.authorize(String(login.headers.location), 'ada'))
    const back = await browser.get(callback.pathname + callback.search, forged)
    expect([back.status, back.headers.location]).toEqual([302, '/'])
    const session = browser.setCookies.find(line => line.startsWith('__Host-sid='))
    expect(session).toMatch(/; Secure/)
    const [event] = backends.flatMap(({ application }) => application.named('login'))
    expect(event?.address).toBe('127.0.0.1')
    for (const { application } of backends) expect(application.named('warning')).toEqual([])
  })

  it('passes REST requests on', async () => {
    const items = await browser.get('/qlik/api/v1/items?limit=1')
    expect(items.status).toBe(200)
    expect(JSON.parse(await items.text()).data).toHaveLength(1)
  })

  it('passes uploads on that are larger than its default limit', async () => {
    const upload = await browser.post('/qlik/api/v1/temp-contents', Buffer.alloc(5_000_000, 'x'))
    expect(upload.status).toBe(201)
    expect(String(upload.headers.location)).toContain('/qlik/api/v1/temp-contents/')
  })

  it('passes each event of a stream on when it arrives', async () => {
    const path = '/qlik/api/v1/assistants/a/threads/t/actions/stream'
    const stream = await promptly(
      browser.post(path, '{"input":{"prompt":"two words"}}', { 'content-type': 'application/json' }),
    )
    const [first] = await promptly(once(stream.stream, 'data'))
    expect(String(first)).toContain('"two"')
    stream.stream.destroy()
  })

  it('passes sockets on, both ways', async () => {
    const socket = await engineSocket(origin, 'SessionApp_test', { cookie: browser.cookie() }, ca)
    expect(await socket.call(-1, 'EngineVersion')).toHaveProperty('result')
    socket.close()
    await socket.closed
  })

  it.each(['/readyz', '/READYZ', '/readyz/', '/healthz', '/Healthz/'])('hides the probe %s', async path =>
    expect((await browser.get(path)).status).toBe(404),
  )

  it('loses no request while one of two processes drains', async () => {
    const [drained, other] = backends
    const statuses = new Set<number>()
    let sending = true
    const clients = Array.from({ length: 4 }, async (_, client) => {
      while (sending) {
        const response = await (client % 2 === 0
          ? browser.get('/qlik/api/v1/items?limit=1')
          : browser.post('/qlik/api/v1/temp-contents', 'x'.repeat(1000)))
        await response.text()
        statuses.add(response.status)
      }
    })
    await until(() => drained.served > 0)
    drained.isReady = false
    // nginx does not check: it learns from the first refused connection.
    if (name !== 'nginx') await until(() => drained.saidUnready)
    await drained.drain()
    const served = other.served
    await until(() => other.served > served + 50)
    sending = false
    await Promise.all(clients)
    expect([...statuses].sort()).toEqual([200, 201])
  })
})

async function startBackend(options: Parameters<typeof startApplication>[1] & object): Promise<Backend> {
  const application = await startApplication(tenant, {
    ...options,
    trustProxy: 1,
    extend: app => {
      app.get('/healthz', (_request, response) => void response.send('alive'))
      app.get('/readyz', (_request, response) => {
        if (!backend.isReady) backend.saidUnready = true
        response.status(backend.isReady ? 200 : 503).end()
      })
    },
  })
  const { server, qlik } = application
  server.keepAliveTimeout = 65_000
  server.on('request', ({ url }) => {
    if (url !== '/healthz' && url !== '/readyz') backend.served += 1
  })
  const backend: Backend = {
    application,
    served: 0,
    isReady: true,
    saidUnready: false,
    async drain() {
      const closed = new Promise(resolve => server.close(resolve))
      await qlik.close({ graceMs: 5000 })
      await closed
    },
  }
  return backend
}

function portOf({ server }: Application): number {
  return (server.address() as AddressInfo).port
}
