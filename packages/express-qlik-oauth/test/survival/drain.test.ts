import { once } from 'node:events'
import {
  type Agent,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  Agent as KeepAlive,
  type Server,
  type ServerResponse,
} from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { until } from 'test-support/until'
import { WebSocket, WebSocketServer } from 'ws'
import { type QlikProxy, qlikProxy } from '../../src/index.ts'

/** A tenant whose responses wait until the test lets them go on. */
interface SlowTenant {
  readonly origin: string
  /** What arrived, such as `POST /api/post`. */
  readonly arrived: string[]
  goOn(): void
}

let tenant: SlowTenant
let server: Server
let qlik: QlikProxy
let origin: string
let agent: Agent
/** Requests for `/slow` of the application itself, which wait until `letGo`. */
let slowRequests: number
let letGo: () => void
const closing: (() => unknown)[] = []

const megabytes = Buffer.alloc(4_000_000, 'x')

async function listening(one: Server): Promise<number> {
  one.listen(0, '127.0.0.1')
  await once(one, 'listening')
  closing.push(() => {
    one.closeAllConnections()
    one.close()
  })
  return (one.address() as AddressInfo).port
}

async function slowTenant(): Promise<SlowTenant> {
  let goOn = (): void => {}
  const released = new Promise<void>(resolve => (goOn = resolve))
  const arrived: string[] = []
  const routes: Record<string, (request: IncomingMessage, response: ServerResponse) => Promise<unknown>> = {
    async '/api/get'(_request, response) {
      await released
      response.end('got')
    },
    async '/api/post'(request, response) {
      const body = await text(request)
      await released
      response.end(body)
    },
    async '/api/download'(_request, response) {
      response.setHeader('content-type', 'application/octet-stream').write(megabytes)
      await released
      response.end(megabytes)
    },
    async '/api/upload'(request, response) {
      let bytes = 0
      for await (const chunk of request) bytes += chunk.length
      response.end(String(bytes))
    },
    async '/api/events'(_request, response) {
      response.setHeader('content-type', 'text/event-stream').write('data: 1\n\n')
    },
  }
  const http = createServer((request, response) => {
    arrived.push(`${request.method} ${request.url}`)
    void routes[request.url ?? '']?.(request, response)
  })
  const sockets = new WebSocketServer({ server: http })
  sockets.on('connection', socket => socket.send('hello'))
  return { origin: `http://127.0.0.1:${await listening(http)}`, arrived, goOn }
}

beforeEach(async () => {
  tenant = await slowTenant()
  agent = new KeepAlive({ keepAlive: true })
  server = createServer()
  const port = await listening(server)
  origin = `http://localhost:${port}`
  const tokens = { tenant: tenant.origin, accessToken: async () => 'token' }
  qlik = qlikProxy({ publicUrl: origin, authenticate: async () => ({ id: 'ada', tokens }) })
  const released = new Promise<void>(resolve => (letGo = resolve))
  slowRequests = 0
  server.on(
    'request',
    qlik.handler((request, response) => {
      if (request.url !== '/slow') return void response.end('the application')
      slowRequests += 1
      void released.then(() => response.end('slow'))
    }),
  )
  qlik.attach(server)
})
afterEach(async () => {
  agent.destroy()
  for (const close of closing.splice(0).reverse()) close()
  await qlik.close({ graceMs: 0 })
})

interface Received {
  readonly status: number | undefined
  readonly connection: string | undefined
  readonly body: string
}

function send(method: string, path: string, body?: string): Promise<Received> {
  const request = httpRequest(origin + path, { method, agent, headers: { 'sec-fetch-site': 'same-origin' } })
  request.end(body)
  return received(request)
}

async function received(request: ReturnType<typeof httpRequest>): Promise<Received> {
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return { status: response.statusCode, connection: response.headers.connection, body: await text(response) }
}

function connections(): Promise<number> {
  return new Promise(resolve => server.getConnections((_error, count) => resolve(count)))
}

/** Opens a socket and waits for the tenant's first message. */
async function openSocket(): Promise<{ closed: Promise<number> }> {
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/qlik/app/any`, { headers: { origin } })
  await once(socket, 'message')
  return { closed: once(socket, 'close').then(([code]) => Number(code)) }
}

describe('close, called after server.close()', () => {
  it('lets everything that can finish finish, closes sockets with 4003, and the server calls back', async () => {
    const socket = await openSocket()
    const upload = httpRequest(`${origin}/qlik/api/upload`, {
      method: 'POST',
      agent,
      headers: { 'sec-fetch-site': 'same-origin' },
    })
    upload.write(megabytes)
    const running = [
      send('GET', '/qlik/api/get'),
      send('POST', '/qlik/api/post', 'written'),
      send('GET', '/qlik/api/download'),
      received(upload),
    ]
    // An idle keep-alive connection, and one in the middle of a request of the application itself.
    expect((await send('GET', '/')).body).toBe('the application')
    await until(() => tenant.arrived.filter(one => one.includes('/api/')).length === 4)

    const serverClosed = once(server.close(), 'close')
    const closed = qlik.close({ graceMs: 20_000 })
    expect(await socket.closed).toBe(4003)
    tenant.goOn()
    upload.end(megabytes)
    const [get, post, download, uploaded] = await Promise.all(running)
    expect([get?.status, get?.body]).toEqual([200, 'got'])
    expect([post?.status, post?.body]).toEqual([200, 'written'])
    expect([download?.status, download?.body.length]).toEqual([200, 2 * megabytes.length])
    expect([uploaded?.status, uploaded?.body]).toEqual([200, String(2 * megabytes.length)])
    expect([get, post, uploaded].map(one => one?.connection)).toEqual(['close', 'close', 'close'])
    await closed
    await serverClosed
    expect(tenant.arrived.filter(one => one === 'POST /api/post')).toHaveLength(1)
  })

  it('ends what cannot finish when the grace is over', async () => {
    const request = httpRequest(`${origin}/qlik/api/events`, { agent, headers: { accept: 'text/event-stream' } }).end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    response.on('error', () => {})
    const get = send('GET', '/qlik/api/get').catch(() => 'cut off')
    await until(() => tenant.arrived.length === 2)
    const serverClosed = once(server.close(), 'close')
    await qlik.close({ graceMs: 100 })
    expect(await get).toMatchObject(expect.anything())
    await serverClosed
    expect(response.destroyed || response.complete).toBe(true)
  })

  it('calls back with many idle keep-alive connections and sockets open', async () => {
    await Promise.all(Array.from({ length: 20 }, () => send('GET', '/')))
    const sockets = await Promise.all(Array.from({ length: 20 }, openSocket))
    const serverClosed = once(server.close(), 'close')
    await qlik.close()
    await serverClosed
    expect(new Set(await Promise.all(sockets.map(({ closed }) => closed)))).toEqual(new Set([4003]))
  })

  it('serves a request whose connection was open already, also with no other in progress', async () => {
    const clients = ['', 'GET /qlik/api/upl'].map(begun => {
      const socket = connect(Number(new URL(origin).port), '127.0.0.1')
      socket.write(begun)
      return { socket, rest: 'GET /qlik/api/upload HTTP/1.1\r\nhost: a\r\n\r\n'.slice(begun.length) }
    })
    await until(async () => (await connections()) === clients.length)
    const closed = new Promise(resolve => server.close(resolve))
    const drained = qlik.close({ graceMs: 10_000 })
    await setImmediate()
    const responses = clients.map(({ socket, rest }) => {
      socket.write(rest)
      return text(socket)
    })
    for (const response of await Promise.all(responses))
      expect(response).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*connection: close/i)
    await Promise.all([drained, closed])
  })

  it('ends connections that never send a request, so that the server calls back', async () => {
    const clients = ['', 'GET / HT'].map(begun => {
      const socket = connect(Number(new URL(origin).port), '127.0.0.1')
      socket.write(begun)
      return socket
    })
    await until(async () => (await connections()) === clients.length)
    const closed = new Promise(resolve => server.close(resolve))
    await qlik.close({ graceMs: 100 })
    await closed
    for (const socket of clients) socket.destroy()
  })

  it('waits for requests of the application itself within the grace', async () => {
    const slow = send('GET', '/slow')
    await until(() => slowRequests === 1)
    const serverClosed = once(server.close(), 'close')
    let isClosed = false
    const closed = qlik.close({ graceMs: 20_000 }).then(() => (isClosed = true))
    await new Promise(resolve => setTimeout(resolve, 200))
    expect(isClosed).toBe(false)
    letGo()
    expect((await slow).body).toBe('slow')
    await Promise.all([closed, serverClosed])
  })
})

describe('a closed proxy', () => {
  it('responds 503 and leaves the upgrades of the server alone', async () => {
    await qlik.close()
    expect((await send('GET', '/qlik/api/get')).status).toBe(503)
    expect(server.listenerCount('upgrade')).toBe(0)
    server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 418 Teapot\r\ncontent-length: 0\r\n\r\n'))
    const socket = new WebSocket(`${origin.replace('http', 'ws')}/qlik/app/any`, { headers: { origin } })
    const [, response] = await once(socket, 'unexpected-response')
    expect(response.statusCode).toBe(418)
    socket.on('error', () => {}).terminate()
  })

  it('may be closed more than once', async () => {
    await Promise.all([qlik.close(), qlik.close({ graceMs: 1 })])
    await qlik.close()
  })

  it.each([-1, 1.5, Number.NaN, '5'])('refuses graceMs %p', async graceMs => {
    const close: (options: { graceMs: never }) => Promise<void> = qlik.close
    await expect(close({ graceMs: graceMs as never })).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' })
  })

  it('leaves another proxy on the same server working', async () => {
    const tokens = { tenant: tenant.origin, accessToken: async () => 'token' }
    const other = qlikProxy({ publicUrl: origin, mount: '/other', authenticate: async () => ({ tokens }) })
    other.attach(server)
    await qlik.close()
    const socket = new WebSocket(`${origin.replace('http', 'ws')}/other/app/any`, { headers: { origin } })
    await once(socket, 'message')
    await other.close()
    expect(server.listenerCount('upgrade')).toBe(0)
  })
})
