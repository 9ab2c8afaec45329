import { createHash } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { afterEach } from '@jest/globals'
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws'
import type { Principal } from '../../src/http/clients/principal.ts'
import { isBelowMount } from '../../src/http/location/mount.ts'
import { type SocketProxy, socketProxy } from '../../src/socket/socket-proxy.ts'
import type { SocketEvent, SocketProxyOptions } from '../../src/socket/socket-proxy-options.ts'

export const appId = '4d3c6b2a-6b1c-4e0b-9a51-7f8e2d1c0b9a'
export const appPath = `/qlik/app/${appId}`

/** One end of a WebSocket. Buffers received messages until `message()`. */
export interface End {
  readonly socket: WebSocket
  send(data: string | Buffer): void
  message(): Promise<{ data: string; binary: boolean }>
  readonly closed: Promise<{ code: number; reason: string }>
}

export interface Setup {
  readonly proxy: SocketProxy
  readonly server: Server
  readonly upstream: Server
  readonly events: SocketEvent[]
  /** Upgrade requests that reached the tenant. */
  readonly arrived: IncomingMessage[]
  readonly port: number
  readonly origin: string
  readonly tenant: string
  /** Access tokens that the proxy reported as rejected. */
  readonly rejected: string[]
  active: number
  /** Ends the login, as a logout does. */
  endLogin(): void
  open(path?: string, options?: ClientOptions, protocols?: string[]): WebSocket
  connect(options?: ClientOptions, protocols?: string[]): Promise<{ browser: End; tenant: End }>
  /** The tenant's end of the next socket. */
  accepted(): Promise<End>
  /** The tenant's end of the next socket, as raw bytes. */
  rawTenant(): Promise<Socket>
  /** A socket with raw bytes at both ends. */
  connectRaw(): Promise<RawEnds>
  /** Bytes that the tenant has sent. */
  proxied(): number
  /** Sockets that the proxy has opened and not closed. */
  openSockets(): number
  /** Connections of browsers, also those in their handshake. */
  browserConnections(): Promise<number>
  /** Resolves when the proxy has no open socket. */
  proxyClosed(): Promise<void>
  /** Resolves when neither proxy nor tenant has an open connection. */
  allClosed(): Promise<void>
  stop(): Promise<void>
}

export interface RawEnds {
  readonly peer: RawPeer
  readonly tenant: { readonly socket: Socket; readonly chunks: readonly Buffer[] }
  /** Waits until the tenant has received this many bytes. */
  received(length: number): Promise<void>
}

export interface SetupOptions extends Partial<SocketProxyOptions> {
  /** Handles upgrades at the tenant. @default accepts all of them */
  readonly onUpgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  readonly deflate?: boolean
  /** The tenant accepts all upgrades and then writes raw bytes. */
  readonly raw?: boolean
  /** The id of the principal. */
  readonly loginOf?: ((request: IncomingMessage) => string) | undefined
}

/** The setup of the running test, of the suite in this file. */
export let setup: Setup

/** Stops the setup of each test after the test. */
export function socketSuite(defaults: SetupOptions = {}) {
  afterEach(() => setup?.stop())
  const start = async (options: SetupOptions = {}): Promise<void> => {
    setup = await socketSetup({ ...defaults, ...options })
  }
  return {
    start,
    /** Starts with a socket that has raw bytes at both ends. */
    async startRaw(options: SetupOptions = {}): Promise<RawEnds> {
      await start({ raw: true, ...options })
      return await setup.connectRaw()
    },
  }
}

/** The socket proxy before a WebSocket server as its tenant, with a login that the test can end. */
export async function socketSetup(setupOptions: SetupOptions = {}): Promise<Setup> {
  const { onUpgrade: handler, deflate = false, raw = false, loginOf, ...options } = setupOptions
  const upstream = createServer()
  const accepted = new WebSocketServer({ noServer: true, perMessageDeflate: deflate, maxPayload: 2 ** 30 })
  const arrived: IncomingMessage[] = []
  const rawTenants = new EventEmitter()
  const acceptRaw: SetupOptions['onUpgrade'] = (request, socket) => {
    socket.write(`${switching(request)}\r\n`)
    rawTenants.emit('connection', socket)
  }
  const onUpgrade = raw ? acceptRaw : handler
  upstream.on('upgrade', (request, socket, head) => {
    arrived.push(request)
    if (onUpgrade === undefined)
      accepted.handleUpgrade(request, socket, head, ws => accepted.emit('connection', ws, request))
    else {
      socket.on('error', () => {}).on('end', () => socket.end())
      onUpgrade(request, socket, head)
      socket.resume()
    }
  })
  const tenant = `http://127.0.0.1:${await listen(upstream)}`

  const server = createServer((_request, response) => response.end())
  const port = await listen(server)
  const origin = `http://localhost:${port}`
  const endings = new Set<() => void>()
  const events: SocketEvent[] = []
  const rejected: string[] = []
  const access: Principal = {
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
      setup.active += 1
    },
  }
  const find = async (request: IncomingMessage) =>
    loginOf === undefined ? access : { ...access, id: loginOf(request) }
  const onEvent = (event: SocketEvent): void => {
    events.push(event)
    options.onEvent?.(event)
  }
  const proxy = socketProxy({ authenticate: find, publicUrl: origin, ...options, onEvent })
  server.on('upgrade', (request, socket, head) => {
    if (isBelowMount(request.url ?? '', '/qlik')) proxy.upgrade(request, socket, head)
    else socket.destroy()
  })

  const connections = new Set<Socket>()
  const sentByTenant: Socket[] = []
  upstream.on('connection', socket => sentByTenant.push(socket))
  for (const listening of [upstream, server]) listening.on('connection', socket => connections.add(socket))
  const setup: Setup = {
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
      new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, {
        origin,
        perMessageDeflate: deflate,
        ...socketOptions,
      }),
    async connect(socketOptions, protocols) {
      const connected = setup.accepted()
      const browser = endOf(setup.open(appPath, socketOptions, protocols))
      await once(browser.socket, 'open')
      return { browser, tenant: await connected }
    },
    accepted: () => once(accepted, 'connection').then(([socket]) => endOf(socket)),
    rawTenant: () => once(rawTenants, 'connection').then(([socket]) => socket),
    async connectRaw() {
      const accepted = setup.rawTenant()
      const peer = rawPeer(setup, handshakeText(setup))
      await peer.until('\r\n\r\n')
      const socket = await accepted
      const chunks: Buffer[] = []
      socket.on('data', chunk => chunks.push(chunk))
      return {
        peer,
        tenant: { socket, chunks },
        async received(length) {
          while (Buffer.concat(chunks).length < length) await once(socket, 'data')
        },
      }
    },
    proxied: () => sentByTenant.reduce((sum, socket) => sum + socket.bytesWritten, 0),
    openSockets: () =>
      events.filter(({ type }) => type === 'opened').length - events.filter(({ type }) => type === 'closed').length,
    browserConnections: () => connectionsOf(server),
    async proxyClosed() {
      while (setup.openSockets() > 0) await new Promise(setImmediate)
    },
    async allClosed() {
      while (setup.openSockets() > 0 || (await connectionsOf(server)) > 0 || (await connectionsOf(upstream)) > 0)
        await new Promise(setImmediate)
      // Node counts a connection as closed before it emits `close`.
      for (let turn = 0; turn < 2; turn += 1) await new Promise(setImmediate)
    },
    async stop() {
      for (const socket of connections) socket.destroy()
      // Resolves only when the proxy keeps no socket, not even one in its handshake.
      await proxy.close({ graceMs: 1000 })
      await Promise.all([upstream, server].map(listening => new Promise(done => listening.close(done))))
      accepted.close()
    },
  }
  return setup
}

export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  )
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
    closed: new Promise(resolve => socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }))),
  }
}

/** A tenant's handshake response, without the empty line at its end. */
export function switching({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const accept = createHash('sha1')
    .update(`${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64')
  return `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}\r\n`
}

/**
 * An opening handshake as a browser sends it. `lines` replaces headers of the same name; an empty value removes one.
 */
export function handshakeText(
  { origin }: Pick<Setup, 'origin'>,
  path = appPath,
  lines: Readonly<Record<string, string>> = {},
  method = 'GET',
): string {
  const headers = {
    Host: new URL(origin).host,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    Origin: origin,
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
    ...lines,
  }
  const sent = Object.entries(headers).filter(([, value]) => value !== '')
  return `${method} ${path} HTTP/1.1\r\n${sent.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

/** An HTTP response on a connection that was closed after it. */
export interface RawResponse {
  readonly status: number
  readonly head: string
  /** Code of the first error in the body. */
  readonly code: string | undefined
  /** All received bytes, as Latin-1. */
  readonly text: string
}

/** Sends raw bytes to the proxy of the running test, and reads until the connection is closed. */
export async function responseTo(request: string | Buffer): Promise<RawResponse> {
  const peer = rawPeer(setup)
  peer.socket.write(request)
  const text = (await peer.all).toString('latin1')
  const [head = '', body = ''] = text.split('\r\n\r\n')
  const code = body.startsWith('{') ? (JSON.parse(body) as { errors: [{ code: string }] }).errors[0].code : undefined
  return { status: Number(head.slice(9, 12)), head, code, text }
}

/** A client that writes raw bytes. */
export interface RawPeer {
  readonly socket: Socket
  /** Everything received, once it contains `text`. */
  until(text: string): Promise<string>
  /** Everything received, once the connection is closed. */
  readonly all: Promise<Buffer>
}

export function rawPeer({ port }: Pick<Setup, 'port'>, text = ''): RawPeer {
  const socket = connect(port, '127.0.0.1')
  const received: Buffer[] = []
  socket.on('error', () => {})
  socket.on('data', chunk => received.push(chunk))
  if (text !== '') socket.write(text)
  const closed = new Promise(resolve => socket.once('close', resolve))
  return {
    socket,
    async until(expected) {
      while (!Buffer.concat(received).includes(expected, 0, 'latin1'))
        await Promise.race([once(socket, 'data'), closed.then(failed)])
      return Buffer.concat(received).toString('latin1')
    },
    all: closed.then(() => Buffer.concat(received)),
  }

  function failed(): never {
    throw new Error(`Closed after ${JSON.stringify(Buffer.concat(received).toString('latin1'))}`)
  }
}
