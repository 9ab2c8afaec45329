import type { IncomingMessage } from 'node:http'
import { lostUpgrade } from '../http/mount-checks.ts'
import { httpError } from '../http/response/error-response.ts'
import { bodyTooLarge } from './upload.ts'

/**
 * The tenant would use the method in the header instead of the checked one.
 *
 * @throws ERR_METHOD_NOT_ALLOWED
 */
export function refuseMethodOverride({ headers }: IncomingMessage): void {
  if (headers['x-http-method-override'] ?? headers['x-http-method'] ?? headers['x-method-override']) {
    throw httpError('ERR_METHOD_NOT_ALLOWED', 'The method is not taken from a header; send the request with it.')
  }
}

/**
 * A service worker of the tenant could intercept all later requests of the page to the proxy.
 *
 * @throws ERR_SERVICE_WORKER
 */
export function refuseServiceWorker({ headers }: IncomingMessage): void {
  if (headers['service-worker'] !== undefined || headers['sec-fetch-dest'] === 'serviceworker')
    throw httpError('ERR_SERVICE_WORKER', 'Scripts of the tenant cannot become service workers.')
}

/**
 * Refuses ordinary requests at the path of the sockets.
 *
 * @param isOpen Whether the path of the socket is open for REST.
 * @throws ERR_UPGRADE_REQUIRED
 */
export function refuseLostUpgrade({ method, headers }: IncomingMessage, isOpen: boolean): void {
  if (method !== 'GET' || (isOpen && headers['sec-websocket-key'] === undefined)) return
  throw lostUpgrade()
}

/**
 * @returns Whether the request has a body, which has not been read yet.
 * @throws ERR_REQUEST_INVALID, ERR_BODY_TOO_LARGE, ERR_BODY_CONSUMED
 */
export function checkBody(request: IncomingMessage, maxBytes: number): boolean {
  const { headers, method } = request
  const encoding = headers['transfer-encoding']
  const length = headers['content-length']
  if (length === '0' && encoding === undefined) return false
  if (length === undefined && encoding === undefined && !hasUndeclaredBody(request)) return false

  if (encoding !== undefined && (encoding.toLowerCase() !== 'chunked' || request.httpVersionMinor === 0))
    throw httpError('ERR_REQUEST_INVALID', 'The only transfer coding is chunked, from HTTP/1.1 on.')
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS')
    throw httpError('ERR_REQUEST_INVALID', `A ${method} request has no body.`)
  if (Number(length ?? 0) > maxBytes) throw bodyTooLarge(maxBytes)
  if (request.readableDidRead || request.readableEnded) {
    throw httpError(
      'ERR_BODY_CONSUMED',
      'A body parser has read the request before the proxy. Mount the proxy before express.json() and other body parsers.',
    )
  }
  return true
}

/** A body of HTTP/2 needs no header: it ends with its stream. RFC 9113, section 8.1. */
function hasUndeclaredBody(request: IncomingMessage): boolean {
  if (request.httpVersionMajor < 2) return false
  const stream: unknown = Reflect.get(request, 'stream')
  return typeof stream === 'object' && stream !== null && Reflect.get(stream, 'endAfterHeaders') !== true
}
