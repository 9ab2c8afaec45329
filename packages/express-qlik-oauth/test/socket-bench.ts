import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws'
import type { Access } from '../src/access.ts'
import { type SocketEvent, type SocketProxy, type SocketProxyOptions, socketProxy } from '../src/socket/socket-proxy.ts'

export const appId = '4d3c6b2a-6b1c-4e0b-9a51-7f8e2d1c0b9a'
export const appPath = `/qlik/app/${appId}`

/** One end of a WebSocket, with what arrived kept until it is asked for. */
export interface End {
  readonly socket: WebSocket
  send(data: string | Buffer): void
  message(): Promise<{ data: string; binary: boolean }>
  readonly closed: Promise<{ code: number; reason: string }>
}

export interface Bench {
  readonly proxy: SocketProxy
  readonly server: Server
  readonly upstream: Server
  readonly events: SocketEvent[]
  /** Upgrade requests that reached the tenant. */
  readonly arrived: IncomingMessage[]
  readonly port: number
  readonly origin: string
  readonly tenant: string
  /** Tokens handed out so far; the last argument of each is the one that was rejected. */
  readonly rejected: string[]
  active: number
  /** Ends the login, as a logout does. */
  endLogin(): void
  open(path?: string, options?: ClientOptions, protocols?: string[]): WebSocket
  connect(options?: ClientOptions, protocols?: string[]): Promise<{ browser: End; tenant: End }>
  stop(): Promise<void>
}

export interface BenchOptions extends Partial<SocketProxyOptions> {
  /** Takes upgrades instead of a WebSocket server that accepts them all. */
  readonly onUpgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  readonly deflate?: boolean
}

/** A WebSocket server that stands for the tenant, and the proxy before it, with a login that the test can end. */
export async function socketBench({ onUpgrade, deflate = false, ...options }: BenchOptions = {}): Promise<Bench> {
  const upstream = createServer()
  const accepted = new WebSocketServer({ noServer: true, perMessageDeflate: deflate, maxPayload: 2 ** 30 })
  const arrived: IncomingMessage[] = []
  upstream.on('upgrade', (request, socket, head) => {
    arrived.push(request)
    if (onUpgrade === undefined) accepted.handleUpgrade(request, socket, head, ws => accepted.emit('connection', ws, request))
    else onUpgrade(request, socket, head)
  })
  const tenant = `http://127.0.0.1:${await listen(upstream)}`

  const server = createServer((_request, response) => response.end())
  const port = await listen(server)
  const origin = `http://localhost:${port}`
  const endings = new Set<() => void>()
  const events: SocketEvent[] = []
  const rejected: string[] = []
  const access: Access = {
    tokens: {
      tenant,
      async accessToken({ rejected: token } = {}) {
        if (token !== undefined) rejected.push(token)
        return `token-${rejected.length}`
      },
    },
    onEnd(listener) {
      endings.add(listener)
      return () => endings.delete(listener)
    },
    active() {
      bench.active += 1
    },
  }
  const proxy = socketProxy({ access: async () => access, publicUrl: origin, onEvent: event => events.push(event), ...options })
  server.on('upgrade', (request, socket, head) => {
    if (!proxy.upgrade(request, socket, head)) socket.destroy()
  })

  const connections = new Set<Socket>()
  for (const listening of [upstream, server]) listening.on('connection', socket => connections.add(socket))
  const bench: Bench = {
    proxy,
    server,
    upstream,
    events,
    arrived,
    port,
    origin,
    tenant,
    rejected,
    active: 0,
    endLogin: () => {
      for (const listener of endings) listener()
    },
    open: (path = appPath, socketOptions = {}, protocols = []) =>
      new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { origin, perMessageDeflate: deflate, ...socketOptions }),
    async connect(socketOptions, protocols) {
      const connected = once(accepted, 'connection')
      const browser = endOf(bench.open(appPath, socketOptions, protocols))
      await once(browser.socket, 'open')
      const [socket] = await connected
      return { browser, tenant: endOf(socket) }
    },
    async stop() {
      for (const socket of connections) socket.destroy()
      await Promise.all([upstream, server].map(listening => new Promise(done => listening.close(done))))
      accepted.close()
    },
  }
  return bench
}

export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

export function endOf(socket: WebSocket): End {
  const messages: { data: string; binary: boolean }[] = []
  const waiting: (() => void)[] = []
  socket.on('error', () => {})
  socket.on('message', (data, binary) => {
    messages.push({ data: data.toString(), binary })
    waiting.shift()?.()
  })
  return {
    socket,
    send: data => socket.send(data),
    async message() {
      if (messages.length === 0) await new Promise<void>(resolve => waiting.push(resolve))
      const message = messages.shift()
      if (message === undefined) throw new Error('No message')
      return message
    },
    closed: once(socket, 'close').then(([code, reason]) => ({ code, reason: String(reason) })),
  }
}
