import type { IncomingMessage } from 'node:http'
import { httpError } from '../http/http-error.ts'

/**
 * @throws ERR_METHOD_NOT_ALLOWED, ERR_SOCKET_VERSION or ERR_REQUEST_INVALID when this is no opening handshake of RFC
 * 6455, section 4.2.1.
 */
export function checkUpgrade({ method, httpVersion, headers, rawHeaders }: IncomingMessage): void {
  if (method !== 'GET') throw httpError('ERR_METHOD_NOT_ALLOWED', 'A WebSocket is opened with GET.', { allow: ['GET'] })
  if (headers.upgrade?.toLowerCase() !== 'websocket' || httpVersion !== '1.1') {
    throw httpError('ERR_REQUEST_INVALID', 'The only upgrade here is from HTTP/1.1 to websocket.')
  }
  if (headers['sec-websocket-version'] !== socketVersion)
    throw httpError('ERR_SOCKET_VERSION', `Use version ${socketVersion} of the protocol.`)
  if (!/^[+/0-9A-Za-z]{21}[AQgw]==$/.test(headers['sec-websocket-key'] ?? '')) {
    throw httpError('ERR_REQUEST_INVALID', 'Sec-WebSocket-Key must be 16 bytes in base64.')
  }
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) {
    throw httpError('ERR_REQUEST_INVALID', 'An upgrade has no body.')
  }
  // Node checks this for requests, but not for upgrades. Of two, a balancer before us may have read the other one. RFC
  // 9112, section 3.2.
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host')
  if (hosts.length !== 1) throw httpError('ERR_REQUEST_INVALID', 'A request has one Host.')
}

/**
 * Any page can open a WebSocket to any host with the cookies of that host, and no CORS asks; the browser's `Origin`
 * alone tells the pages apart.
 *
 * @throws ERR_CROSS_SITE unless it is the application's own.
 */
export function checkOrigin({ headers }: IncomingMessage, origin: string): void {
  if (headers.origin !== origin)
    throw httpError('ERR_CROSS_SITE', 'A socket is opened by a page of this application, with its Origin.')
}

export const socketVersion = '13'
