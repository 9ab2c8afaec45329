import { once } from 'node:events'
import { type ClientRequest, createServer, type IncomingMessage, request as sendRequest } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

export interface LoadBalancer {
  readonly origin: string
  /** Starts to probe a backend on this port of localhost; it gets requests while `/readyz` returns 200. */
  add(port: number): void
  /** Ports of the backends that are ready. */
  readonly ready: ReadonlySet<number>
  close(): Promise<void>
}

/**
 * A round-robin load balancer with a new connection for each request. It retries nothing, except a refused connection,
 * through which no request was sent.
 */
export async function startLoadBalancer(): Promise<LoadBalancer> {
  const ports: number[] = []
  const ready = new Set<number>()
  const sockets = new Set<Socket>()
  let turn = 0
  let isClosed = false

  /** @throws Error when no backend accepts a connection */
  async function connectToBackend(): Promise<Socket> {
    const candidates = ports.filter(port => ready.has(port))
    turn += 1
    for (let index = 0; index < candidates.length; index += 1) {
      const socket = await connected(candidates[(turn + index) % candidates.length] ?? 0)
      if (socket !== undefined) return tracked(socket)
    }
    throw new Error('No backend accepts connections')
  }

  function tracked(socket: Socket): Socket {
    sockets.add(socket)
    return socket.once('close', () => sockets.delete(socket)).on('error', () => {})
  }

  async function forward(request: IncomingMessage): Promise<ClientRequest> {
    const socket = await connectToBackend()
    const { method, url: path, headers } = request
    return sendRequest({ createConnection: () => socket, method, path, headers: { ...headers, connection: 'close' } })
  }

  const server = createServer(async (request, response) => {
    const upstream = await forward(request).catch(() => undefined)
    if (upstream === undefined) return void response.writeHead(502, { 'x-balancer': 'no backend' }).end()
    request.pipe(upstream)
    upstream.on('error', error => {
      if (response.headersSent) response.destroy()
      else response.writeHead(502, { 'x-balancer': error.message }).end()
    })
    upstream.on('response', received => {
      const { connection: _, 'keep-alive': __, ...headers } = received.headers
      response.writeHead(received.statusCode ?? 502, headers)
      received.pipe(response).on('close', () => upstream.destroy())
      received.on('aborted', () => response.destroy())
    })
  })
  server.on('connection', tracked)
  server.on('upgrade', async (request: IncomingMessage, browser: Socket, head: Buffer) => {
    try {
      const backend = await connectToBackend()
      const lines = [`${request.method} ${request.url} HTTP/1.1`]
      for (let index = 0; index < request.rawHeaders.length; index += 2)
        lines.push(`${request.rawHeaders[index]}: ${request.rawHeaders[index + 1]}`)
      backend.write(`${lines.join('\r\n')}\r\n\r\n`)
      backend.write(head)
      backend.pipe(browser).pipe(backend)
    } catch {
      browser.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
    }
  })
  server.listen(0)
  await once(server, 'listening')

  async function probe(port: number): Promise<void> {
    while (!isClosed) {
      const isReady = await fetch(`http://localhost:${port}/readyz`, { headers: { connection: 'close' } }).then(
        async response => (await response.text()) !== '' && response.ok,
        () => false,
      )
      if (isReady) ready.add(port)
      else ready.delete(port)
      await delay(probeMs)
    }
  }

  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    ready,
    add(port) {
      ports.push(port)
      void probe(port)
    },
    async close() {
      isClosed = true
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

const probeMs = 50

/** @returns `undefined` when the connection is refused. */
async function connected(port: number): Promise<Socket | undefined> {
  const socket = connect({ port, host: 'localhost', noDelay: true })
  try {
    await once(socket, 'connect')
    return socket
  } catch {
    return undefined
  }
}
