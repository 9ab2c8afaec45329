import { IncomingMessage, type Server, ServerResponse, STATUS_CODES } from 'node:http'
import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { Server as TlsServer } from 'node:tls'
import { discardInput, errorResponse, httpError } from './response/error-response.ts'
import { newTraceId } from './response/request-context.ts'

export interface UpgradeHandler {
  isBelow(request: IncomingMessage): boolean
  /** Handles an upgrade to WebSocket below the mount. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
}

/**
 * Passes the WebSocket upgrades of a server to the handlers that were added to it.
 *
 * Upgrades below the mount of a handler reach no other listener of the server, whichever was added first: `ws` responds
 * 400 to every path but its own, and socket.io ends handshakes that take longer than a second. All other upgrades go to
 * the other listeners, and get 404 when there are none. Other protocols, such as `h2c`, are ignored and the request is
 * served as if it did not offer them. RFC 9110, section 7.8.
 *
 * @returns A function that removes the handler.
 */
export function onUpgrade(server: Server, handler: UpgradeHandler): () => void {
  const { handlers, detach } = attached.get(server) ?? listen(server)
  handlers.add(handler)
  return () => {
    handlers.delete(handler)
    if (handlers.size > 0) return
    detach()
    attached.delete(server)
  }
}

interface Attached {
  readonly handlers: Set<UpgradeHandler>
  /** Open connections that speak HTTP. */
  readonly connections: ReadonlySet<Socket>
  detach(): void
}

const attached = new WeakMap<Server, Attached>()

function listen(server: Server): Attached {
  const handlers = new Set<UpgradeHandler>()
  const connections = new Set<Socket>()
  const connected = (socket: Socket): void => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  }
  const claim = (request: IncomingMessage, socket: Duplex, head: Buffer): boolean => {
    if (socket instanceof Socket) connections.delete(socket)
    for (const handler of handlers) {
      if (!handler.isBelow(request)) continue
      if (isWebSocket(request)) handler.upgrade(request, socket, head)
      else ignoreUpgrade(server, request, socket, head)
      return true
    }
    return false
  }
  const listener = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (server.listenerCount('upgrade') > 1) return
    if (isWebSocket(request)) refuseUpgrade(socket, httpError('ERR_NOT_FOUND', 'No WebSocket is served at this path.'))
    else ignoreUpgrade(server, request, socket, head)
  }
  const connection = connectionEvent(server)
  server.on(connection, connected)
  // Node emits `upgrade` only when there is a listener.
  server.on('upgrade', listener)
  const restoreEmit = claimUpgrades(server, claim)
  const detach = (): void => {
    restoreEmit()
    server.off('upgrade', listener)
    server.off(connection, connected)
  }
  const entry = { handlers, connections, detach }
  attached.set(server, entry)
  return entry
}

function isWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

/**
 * Offers every upgrade to `claim` before the listeners of the server; those that it takes are not emitted. Listeners
 * alone could not hide an upgrade from each other.
 *
 * @returns A function that undoes it.
 */
function claimUpgrades(
  server: Server,
  claim: (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean,
): () => void {
  const inherited = Object.getOwnPropertyDescriptor(server, 'emit')
  const { emit } = server
  function emitUnlessClaimed(this: Server, name: string | symbol, ...values: unknown[]): boolean {
    if (name === 'upgrade' && isUpgrade(values) && claim(...values)) return true
    return Reflect.apply(emit, this, [name, ...values])
  }
  Object.defineProperty(server, 'emit', { value: emitUnlessClaimed, configurable: true, writable: true })
  return () => {
    // Another library may have replaced it since; without handlers nothing is claimed.
    if (server.emit !== emitUnlessClaimed) return
    if (inherited === undefined) Reflect.deleteProperty(server, 'emit')
    else Object.defineProperty(server, 'emit', inherited)
  }
}

function isUpgrade(values: unknown[]): values is [IncomingMessage, Duplex, Buffer] {
  const [request, socket, head] = values
  return request instanceof IncomingMessage && socket instanceof Duplex && Buffer.isBuffer(head)
}

/**
 * Gives the connection back to the server, with the request as if it did not offer another protocol. Node has detached
 * its parser, so the request is parsed once more; a body and further requests follow as usual.
 */
function ignoreUpgrade(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const unfinished = responseOf(socket)
  if (unfinished !== undefined) {
    // Pipelined: the responses to earlier requests come first.
    ignoreErrors(socket)
    unfinished.once('close', () => {
      if (socket instanceof Socket) socket.setTimeout(server.timeout)
      ignoreUpgrade(server, request, socket, head)
    })
    return
  }
  if (head.length > 0) socket.unshift(head)
  socket.unshift(Buffer.from(headWithoutUpgrade(request), 'latin1'))
  // Documented for this: "to inject connections into the HTTP server".
  server.emit(connectionEvent(server), socket)
}

function connectionEvent(server: Server): 'secureConnection' | 'connection' {
  return server instanceof TlsServer ? 'secureConnection' : 'connection'
}

/**
 * The response to the request that a connection is serving.
 *
 * A private property of Node. The test "keeps its body, however it is cut, and the connection serves further requests"
 * fails without it.
 */
function responseOf(socket: Duplex): ServerResponse | undefined {
  const response: unknown = Reflect.get(socket, '_httpMessage')
  return response instanceof ServerResponse ? response : undefined
}

function headWithoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  const lines: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name = '', value = ''] = rawHeaders.slice(index, index + 2)
    const kept = /^connection$/i.test(name) ? withoutUpgradeOptions(value) : value
    if (!upgradeOption.test(name) && kept !== '') lines.push(`${name}: ${kept}\r\n`)
  }
  return `${method} ${url} HTTP/${httpVersion}\r\n${lines.join('')}\r\n`
}

function withoutUpgradeOptions(connection: string): string {
  const options = connection.split(',').map(option => option.trim())
  return options.filter(option => !upgradeOption.test(option)).join(', ')
}

const upgradeOption = /^(?:upgrade|http2-settings)$/i

/** Sends an HTTP error response on the raw socket of an upgrade, and closes it. */
export function refuseUpgrade(socket: Duplex, error: unknown, traceId = newTraceId()): void {
  ignoreErrors(socket)
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const { status, headers, body } = errorResponse(error, traceId)
  // RFC 9110, section 15.5.22, and RFC 6455, section 4.2.2.
  const required =
    status === 426
      ? { upgrade: 'websocket', 'sec-websocket-version': webSocketVersion, connection: 'close, Upgrade' }
      : { connection: 'close' }
  const lines = Object.entries({ ...headers, ...required }).map(([name, value]) => `${name}: ${value}\r\n`)
  // A client may leave its side open.
  discardInput(socket, () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`)
}

export const webSocketVersion = '13'

/**
 * Ignores the errors of a socket; `close` follows each of them. Without a listener an error between two owners of the
 * socket would end the process.
 */
export function ignoreErrors(socket: Duplex): void {
  if (!socket.listeners('error').includes(ignore)) socket.on('error', ignore)
}

// Lives as long as the socket: a closure would keep everything in its scope alive.
const ignore = (): void => {}

/**
 * Ends the connections of a server that is being closed, as soon as their last response is sent: Node closes those that
 * are idle when `server.close()` is called, and the others would delay its callback by the keep-alive timeout.
 *
 * Connections that have sent no request would delay it forever, because `server.close()` also ends Node's own
 * `headersTimeout`. They end after `graceMs`; those that browsers open in advance and that have sent nothing, after a
 * second at the latest.
 */
export function endConnections(server: Server, graceMs: number): void {
  server.prependListener('request', (_request, response) => {
    response.shouldKeepAlive = false
  })
  const connections = attached.get(server)?.connections ?? new Set()
  const start = performance.now()
  const timer = setInterval(() => {
    if (server.listening) return
    server.closeIdleConnections()
    const elapsed = performance.now() - start
    if (elapsed > Math.min(graceMs, unusedMs)) endUnused(connections, elapsed > graceMs)
  }, 50)
  timer.unref()
  server.once('close', () => clearInterval(timer))
}

/** @param alsoBegun Also connections that have sent a part of a request's head. */
function endUnused(connections: ReadonlySet<Socket>, alsoBegun: boolean): void {
  for (const socket of connections)
    if (responseOf(socket) === undefined && (alsoBegun || socket.bytesRead === 0)) socket.destroy()
}

const unusedMs = 1000

/** Waits until all requests of a server that is being closed have ended, or for at most `timeoutMs`. */
export async function serverClosed(server: Server, timeoutMs: number): Promise<void> {
  // Without connections the server of Node emits `close` in the same turn as it is told to close.
  const connections = await new Promise<number>(resolve => server.getConnections((_error, count) => resolve(count)))
  if (server.listening || connections === 0) return
  await new Promise<void>(resolve => {
    const end = (): void => {
      clearTimeout(timer)
      server.off('close', end)
      resolve()
    }
    const timer = setTimeout(end, timeoutMs)
    server.once('close', end)
  })
}
