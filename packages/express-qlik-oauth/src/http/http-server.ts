import { type IncomingMessage, type Server, ServerResponse, STATUS_CODES } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { errorResponse } from './error-response.ts'
import { httpError } from './http-error.ts'

export interface UpgradeHandler {
  isBelow(request: IncomingMessage): boolean
  /** Handles an upgrade to WebSocket below the mount. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
}

/**
 * Passes the WebSocket upgrades of a server to the handlers that were added to it.
 *
 * Upgrades that belong to no handler get 404, unless the server has another listener. Other protocols, such as `h2c`,
 * are ignored and the request is served as if it did not ask for them. RFC 9110, section 7.8.
 *
 * @returns A function that removes the handler.
 */
export function onUpgrade(server: Server, handler: UpgradeHandler): () => void {
  const handlers = handlersOf.get(server) ?? listen(server)
  handlers.add(handler)
  return () => void handlers.delete(handler)
}

const handlersOf = new WeakMap<Server, Set<UpgradeHandler>>()

function listen(server: Server): Set<UpgradeHandler> {
  const handlers = new Set<UpgradeHandler>()
  handlersOf.set(server, handlers)
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const handler = [...handlers].find(({ isBelow }) => isBelow(request))
    if (handler === undefined && server.listenerCount('upgrade') > 1) return
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') ignoreUpgrade(server, request, socket)
    else if (handler === undefined) refuse(socket, httpError('ERR_NOT_FOUND', 'No WebSocket is served at this path.'))
    else handler.upgrade(request, socket, head)
  })
  return handlers
}

/** Serves a request to switch protocols as a plain request. Node has detached its parser, so the connection ends with it. */
function ignoreUpgrade(server: Server, request: IncomingMessage, socket: Duplex): void {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers
  if (!(socket instanceof Socket) || length !== '0' || encoding !== undefined) {
    refuse(socket, httpError('ERR_REQUEST_INVALID', 'A request with a body cannot ask for another protocol.'))
    return
  }
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.once('finish', () => {
    response.detachSocket(socket)
    socket.destroySoon()
  })
  socket.on('error', () => {}).on('drain', () => response.emit('drain'))
  server.emit('request', request, response)
}

function refuse(socket: Duplex, error: unknown): void {
  const { status, headers, body } = errorResponse(error)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.on('error', () => {}).resume()
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}connection: close\r\n\r\n${body}`)
  // A client may leave its side open; see the lingering close of nginx.
  const timer = setTimeout(() => socket.destroy(), 1000)
  socket.once('close', () => clearTimeout(timer))
}

/**
 * Closes keep-alive connections of a server that was told to close, as soon as their last response is sent. Node closes
 * those that are idle when `server.close()` is called; the others would delay its callback by the keep-alive timeout.
 */
export function closeIdleConnections(server: Server): void {
  server.prependListener('request', (_request, response) => {
    response.shouldKeepAlive = false
  })
  const timer = setInterval(() => {
    if (!server.listening) server.closeIdleConnections()
  }, 50)
  timer.unref()
  server.once('close', () => clearInterval(timer))
}
