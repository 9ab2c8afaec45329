import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, it } from '@jest/globals'
import { selfSigned } from 'test-support/certificate'
import { WebSocket, WebSocketServer } from 'ws'
import { qlikProxy } from '../../src/index.ts'
import { handshakeText, listen } from '../support/socket-setup.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** Returns what it received. */
const application: RequestListener = async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const { method, url, headers } = request
  response.end(JSON.stringify({ method, url, body: String(Buffer.concat(chunks)), upgrade: headers.upgrade }))
}

/** A server with a proxy attached whose requests reach no tenant. */
async function serve(server: Server = createServer()): Promise<{ server: Server; port: number }> {
  const proxy = qlikProxy({ publicUrl: 'https://app.example.com', authenticate: async () => undefined })
  server.on('request', proxy.handler(application))
  proxy.attach(server)
  const port = await listen(server)
  closers.push(async () => {
    await proxy.close()
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })
  return { server, port }
}

/** A client that keeps its side of the connection open. */
function halfOpenClient(port: number, text: string): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {}).write(text)
  closers.push(() => socket.destroy())
  return socket
}

/** Reads until `count` responses with JSON bodies have arrived. */
async function responses(socket: Socket, count: number): Promise<{ head: string; body: Record<string, unknown> }[]> {
  let text = ''
  for (;;) {
    const found = [...text.matchAll(/(HTTP\/1\.1 [\s\S]*?)\r\n\r\n(\{.*?\})(?=HTTP|$)/g)]
    if (found.length >= count) return found.map(([, head = '', body = '']) => ({ head, body: JSON.parse(body) }))
    const [chunk] = await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => [undefined])])
    if (chunk === undefined) throw new Error(`Closed after ${JSON.stringify(text)}`)
    text += String(chunk)
  }
}

const h2c =
  'Host: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'

describe('a WebSocket outside the mount', () => {
  it('gets 404 in the shape of other errors, and its connection ends although the client keeps its side open', async () => {
    const { server, port } = await serve()
    const paths = ['/', '/qlikx/app/x', '/Qlik/app/x', '/elsewhere']
    const clients = Array.from({ length: 20 }, (_, index) =>
      halfOpenClient(port, handshakeText({ origin: 'https://app.example.com' }, paths[index % paths.length])),
    )
    const began = performance.now()
    const heads = await Promise.all(clients.map(client => responses(client, 1)))
    for (const [response] of heads) {
      expect(response?.head).toMatch(/^HTTP\/1\.1 404 /)
      expect(response?.body).toMatchObject({ errors: [{ code: 'not_found' }] })
    }
    await expectConnections(server, 0)
    expect(performance.now() - began).toBeLessThan(5000)
  })

  it('goes to the other upgrade listeners of the server', async () => {
    const { server, port } = await serve()
    const others = new WebSocketServer({ noServer: true })
    server.on('upgrade', (request, socket, head) => {
      if (request.url === '/chat') others.handleUpgrade(request, socket, head, client => client.send('hello'))
    })
    const client = new WebSocket(`ws://127.0.0.1:${port}/chat`)
    const [message] = await once(client, 'message')
    expect(String(message)).toBe('hello')
    client.terminate()
    const refused = new WebSocket(`ws://127.0.0.1:${port}/qlik/app/x`)
    const [error] = await once(refused, 'error')
    expect(error.message).toContain('401')
  })
})

describe('a request that offers another protocol', () => {
  it.each([
    ['h2c', h2c],
    ['a list', h2c.replace('h2c', 'h2c, websocket')],
    ['websocket last', h2c.replace('h2c', 'websocket, h2c')],
    ['TLS', 'Host: localhost\r\nConnection: keep-alive, upgrade\r\nUpgrade: TLS/1.2\r\n'],
  ])('gets the response of the application: %s', async (_title, headers) => {
    const { port } = await serve()
    const client = halfOpenClient(port, `GET /page?x=1 HTTP/1.1\r\n${headers}\r\n`)
    const [response] = await responses(client, 1)
    expect(response?.head).toMatch(/^HTTP\/1\.1 200 /)
    expect(response?.body).toMatchObject({ method: 'GET', url: '/page?x=1' })
    expect(response?.body.upgrade).toBeUndefined()
  })

  it('keeps its body, however it is cut, and the connection serves further requests', async () => {
    const { port } = await serve()
    const client = halfOpenClient(port, `POST /form HTTP/1.1\r\n${h2c}Content-Length: 11\r\n\r\nhello`)
    client.setNoDelay(true)
    await new Promise(resolve => client.once('connect', resolve))
    client.write(' world')
    client.write(`GET /next HTTP/1.1\r\n${h2c}\r\nGET /last HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    expect((await responses(client, 3)).map(({ body }) => [body.url, body.body])).toEqual([
      ['/form', 'hello world'],
      ['/next', ''],
      ['/last', ''],
    ])
  })

  it('gets the response of the proxy below the mount', async () => {
    const { port } = await serve()
    const client = halfOpenClient(port, `GET /qlik/api/v1/items HTTP/1.1\r\n${h2c}\r\n`)
    const [response] = await responses(client, 1)
    expect(response?.head).toMatch(/^HTTP\/1\.1 401 /)
    expect(response?.body).toMatchObject({ errors: [{ code: 'login_required' }] })
  })

  it('gets the response of the application over TLS', async () => {
    const { key, cert } = selfSigned('localhost')
    const { port } = await serve(createTlsServer({ key, cert }))
    const client = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    closers.push(() => client.destroy())
    client.write(`GET /secure HTTP/1.1\r\n${h2c}\r\n`)
    const [response] = await responses(client, 1)
    expect(response?.body).toMatchObject({ url: '/secure' })
  })

  it('is left to the other upgrade listeners of the server', async () => {
    const { server, port } = await serve()
    server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'))
    const client = halfOpenClient(port, `GET /page HTTP/1.1\r\n${h2c}\r\n`)
    expect((await responses(client, 1))[0]?.body).toEqual({})
  })
})

async function expectConnections(server: Server, expected: number): Promise<void> {
  for (;;) {
    const count = await new Promise<number>((resolve, reject) =>
      server.getConnections((error, open) => (error === null ? resolve(open) : reject(error))),
    )
    if (count === expected) return
    await new Promise(setImmediate)
  }
}
