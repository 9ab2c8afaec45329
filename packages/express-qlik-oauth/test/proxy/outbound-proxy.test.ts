import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { type OutboundOptions, qlikClient, type TokenSource } from 'qlik-oauth'
import { createTenant } from 'qlik-tenant-simulator'
import { selfSigned } from 'test-support/certificate'
import { type ConnectProxyOptions, connectProxy } from 'test-support/connect-proxy'
import { WebSocket, WebSocketServer } from 'ws'
import { socketProxy } from '../../src/socket/socket-proxy.ts'
import type { SocketEvent } from '../../src/socket/socket-proxy-options.ts'
import { startApplication } from '../support/application.ts'
import { fromOurPage, proxyTo, publicUrl, tokenSource } from '../support/rest-proxy.ts'
import { loggedIn } from '../support/visitor.ts'
import { closeAll, closing, httpServer } from '../support/wire.ts'

const origin = 'https://acme.example'
const certificate = selfSigned('acme.example')
let tenant: Server
let port: number
let arrived = 0
let mostAtOnce = 0

beforeAll(async () => {
  let now = 0
  tenant = createServer(certificate, (_request, response) => {
    arrived += 1
    now += 1
    mostAtOnce = Math.max(mostAtOnce, now)
    setImmediate(() => {
      now -= 1
      response.end('{"name":"Ada"}')
    })
  })
  new WebSocketServer({ server: tenant }).on('connection', socket =>
    socket.on('message', (data, binary) => socket.send(data, { binary })),
  )
  tenant.listen(0, '127.0.0.1')
  await once(tenant, 'listening')
  ;({ port } = tenant.address() as AddressInfo)
})
afterEach(closeAll)
afterAll(async () => {
  tenant.closeAllConnections()
  await new Promise(done => tenant.close(done))
})

async function outboundProxy(options: Partial<ConnectProxyOptions> = {}) {
  const started = await connectProxy({ routes: { 'acme.example:443': port }, ...options })
  closing(() => started.close())
  return started
}

function tokensThrough(outbound: OutboundOptions): TokenSource {
  const client = qlikClient({ tenant: origin, clientId: 'x', outbound })
  closing(() => client.close())
  return { ...tokenSource(origin), client }
}

const get = (proxyPort: number, path = '/qlik/api/v1/users/me') =>
  fetch(`http://127.0.0.1:${proxyPort}${path}`, { headers: fromOurPage })

/** Opens a socket through a proxy of its own. */
async function socketThrough(tokens: TokenSource) {
  const events: SocketEvent[] = []
  const proxy = socketProxy({ authenticate: async () => ({ tokens }), publicUrl, onEvent: event => events.push(event) })
  const { server, port: own } = await httpServer((_request, response) => response.end())
  server.on('upgrade', proxy.upgrade)
  closing(() => proxy.close({ graceMs: 0 }))
  return { events, socket: new WebSocket(`ws://127.0.0.1:${own}/qlik/app/x`, { origin: publicUrl }) }
}

describe('an outbound proxy', () => {
  it('carries REST over kept-alive tunnels, within the limit of connections', async () => {
    const { url, tunnels } = await outboundProxy({ credentials: 'user:secret' })
    const started = await proxyTo(origin, {
      tokens: tokensThrough({ proxy: url, ca: certificate.cert }),
      connections: 2,
      limits: { requestsPerLogin: 50 },
    })
    arrived = 0
    mostAtOnce = 0
    const responses = await Promise.all(Array.from({ length: 20 }, () => get(started.port)))
    expect(responses.map(({ status }) => status)).toEqual(Array(20).fill(200))
    expect(await responses[0]?.json()).toEqual({ name: 'Ada' })
    expect(arrived).toBe(20)
    expect(mostAtOnce).toBeLessThanOrEqual(2)
    expect(new Set(tunnels)).toEqual(new Set(['acme.example:443']))
    expect(tunnels.length).toBeLessThanOrEqual(4)
  })

  it('carries WebSockets, each in a tunnel of its own', async () => {
    const started = await outboundProxy()
    const { socket } = await socketThrough(tokensThrough({ proxy: started.url, ca: certificate.cert }))
    await once(socket, 'open')
    socket.send('hello')
    const [data] = await once(socket, 'message')
    expect(String(data)).toBe('hello')
    expect(started.tunnels).toEqual(['acme.example:443'])
    socket.close(1000)
    await once(socket, 'close')
    while (started.open > 0) await new Promise(setImmediate)
  })

  it('ends its tunnels when the proxy of the application is closed', async () => {
    const started = await outboundProxy()
    const { port: own, proxy } = await proxyTo(origin, {
      tokens: tokensThrough({ proxy: started.url, ca: certificate.cert }),
    })
    expect((await get(own)).status).toBe(200)
    expect(started.open).toBe(1)
    await proxy.close({ graceMs: 0 })
    while (started.open > 0) await new Promise(setImmediate)
  })

  it.each([
    ['refuses the credentials', { credentials: 'user:other' }, 'outbound_proxy_refused', /with status 407/],
    [
      'is no HTTP proxy',
      { respond: socket => void socket.end('220 smtp.example ESMTP\r\n') },
      'outbound_proxy_response',
      /not valid HTTP/,
    ],
  ] satisfies [string, Partial<ConnectProxyOptions>, string, RegExp][])(
    'that %s is named in the event, and not to the client',
    async (_title, options, code, message) => {
      const { port: proxyPort } = await outboundProxy(options)
      const tokens = tokensThrough({ proxy: `http://user:hidden@localhost:${proxyPort}`, ca: certificate.cert })
      const { port: own, events } = await proxyTo(origin, { tokens })
      const response = await get(own)
      const text = await response.text()
      expect(response.status).toBe(502)
      expect(JSON.parse(text)).toMatchObject({ errors: [{ code }] })
      expect(text).not.toMatch(/localhost|hidden/)

      const { socket, events: socketEvents } = await socketThrough(tokens)
      socket.on('error', () => {})
      const [, refusal] = await once(socket, 'unexpected-response')
      expect(refusal.statusCode).toBe(502)
      for (const event of [...events, ...socketEvents]) {
        expect(event).toMatchObject({ status: 502, message: expect.stringMatching(message) })
        expect(event).toMatchObject({ message: expect.stringContaining(`localhost:${proxyPort}`) })
        expect(JSON.stringify(event)).not.toContain('hidden')
      }
      expect([...events, ...socketEvents]).toHaveLength(2)
    },
  )

  it('carries login, REST, sockets and req.qlik.fetch of an application; its calls name the API version', async () => {
    const simulated = await createTenant()
    closing(() => simulated.close())
    const { host, port: tenantPort } = new URL(simulated.origin)
    const { url, tunnels } = await outboundProxy({ routes: { [host]: Number(tenantPort) } })
    const application = await startApplication(simulated, {
      outbound: { proxy: url },
      apiVersion: '2026-11',
      extend: (app, qlik) =>
        app.get('/mine', qlik.requireLogin(), async (request, response) => {
          const received = await request.qlik?.fetch('/api/v1/spaces?limit=1', { method: 'GET' })
          response.json({ isResponse: received instanceof Response, data: await received?.json() })
        }),
    })
    closing(() => application.close())
    const visitor = await loggedIn(simulated, application.origin)
    const afterLogin = tunnels.length
    expect(afterLogin).toBeGreaterThan(0)
    expect(await visitor.mayCall(application.origin)).toBe(true)
    const afterRest = tunnels.length
    expect(afterRest).toBe(afterLogin + 1)
    const { closed } = await visitor.openSocket(application.origin)
    const afterSocket = tunnels.length
    expect(afterSocket).toBe(afterRest + 1)
    const mine = await visitor.browser.get(`${application.origin}/mine`)
    expect(await mine.json()).toMatchObject({ isResponse: true, data: { data: [expect.anything()] } })
    expect(tunnels).toHaveLength(afterSocket + 1)
    const version = (path: string) =>
      simulated.requests.find(one => one.path.split('?')[0] === path)?.headers['qlik-api-version']
    expect(version('/api/v1/spaces')).toBe('2026-11')
    expect(version('/api/v1/users/me')).toBe('2026-11')
    expect(version('/api/v1/items')).toBeUndefined()
    await application.qlik.close()
    await closed
  })
})
