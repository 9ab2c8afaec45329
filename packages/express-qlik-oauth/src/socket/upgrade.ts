import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { webSocketVersion } from '../http/http-server.ts'
import { httpError } from '../http/response/error-response.ts'

/**
 * Checks the opening handshake of a browser. RFC 6455, section 4.2.1.
 *
 * @throws ERR_METHOD_NOT_ALLOWED, ERR_SOCKET_VERSION, ERR_REQUEST_INVALID
 */
export function checkUpgrade({ method, httpVersion, headers, rawHeaders }: IncomingMessage): void {
  if (method !== 'GET') throw httpError('ERR_METHOD_NOT_ALLOWED', 'Open a WebSocket with GET.', { allow: ['GET'] })
  if (headers.upgrade?.toLowerCase() !== 'websocket' || httpVersion !== '1.1')
    throw httpError('ERR_REQUEST_INVALID', 'Only upgrades from HTTP/1.1 to websocket are supported.')
  if (headers['sec-websocket-version'] !== webSocketVersion)
    throw httpError('ERR_SOCKET_VERSION', `Use WebSocket version ${webSocketVersion}.`)
  if (!/^[+/0-9A-Za-z]{21}[AQgw]==$/.test(headers['sec-websocket-key'] ?? ''))
    throw httpError('ERR_REQUEST_INVALID', 'Sec-WebSocket-Key must be 16 bytes in base64.')
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined)
    throw httpError('ERR_REQUEST_INVALID', 'An upgrade request has no body.')
  // Node checks this for requests but not for upgrades. A balancer in front may have used the other one. RFC 9112,
  // section 3.2.
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host')
  if (hosts.length !== 1) throw httpError('ERR_REQUEST_INVALID', 'Exactly one Host header is required.')
}

/**
 * Completes the opening handshake with what the tenant negotiated.
 *
 * @param setCookie A cookie of the application.
 */
export function acceptUpgrade(socket: Duplex, tenantHeaders: IncomingHttpHeaders, setCookie?: string): void {
  const lines = negotiated.flatMap(name => {
    const value = tenantHeaders[name]
    return value === undefined ? [] : [`${name}: ${String(value)}\r\n`]
  })
  if (setCookie !== undefined) lines.push(`set-cookie: ${setCookie}\r\n`)
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n${lines.join('')}\r\n`)
}

const negotiated = ['sec-websocket-accept', 'sec-websocket-extensions', 'sec-websocket-protocol'] as const
