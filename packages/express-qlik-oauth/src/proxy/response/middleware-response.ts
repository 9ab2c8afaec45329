import { ServerResponse, STATUS_CODES } from 'node:http'
import type { Writable } from 'node:stream'
import { removeRepresentationHeaders } from '../../http/response/representation-headers.ts'

/*
 * Middleware in front of the proxy, such as logging, compression and sessions, replaces methods of the response and sets
 * headers on it.
 */

const { writeHead, setHeader, write, end } = ServerResponse.prototype

/** Whether no middleware has replaced a method that sends the head. */
export function isUntouched(response: ServerResponse): boolean {
  return response.writeHead === writeHead && response.setHeader === setHeader
}

/** Whether no middleware has replaced a method that sends the body. Streams of the proxy itself are untouched. */
export function isUntouchedSink(sink: Writable): boolean {
  return !(sink instanceof ServerResponse) || (sink.write === write && sink.end === end)
}

/**
 * Sends the head of the tenant's response together with the headers that middleware has set.
 *
 * @param headers Alternating names and values.
 */
export function mergeHead(response: ServerResponse, status: number, headers: readonly string[]): void {
  removeRepresentationHeaders(response)
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const [name = '', value = ''] = [headers[index], headers[index + 1]]
    if (name === 'set-cookie') {
      response.appendHeader(name, value)
      continue
    }
    const existing = name === 'vary' || name === 'content-security-policy' ? response.getHeader(name) : undefined
    // The application's own policy, such as helmet's, applies as well.
    response.setHeader(name, existing === undefined ? value : `${[existing].flat().join(', ')}, ${value}`)
  }
  // Some send the head later, with the status that is set then.
  response.statusCode = status
  if (response.req.httpVersionMajor === 1) response.statusMessage = STATUS_CODES[status] ?? ''
  response.writeHead(status)
}

/** Sends the head now, unless middleware holds it back until it sees the body. */
export function flushHead(response: ServerResponse): void {
  if (response.headersSent) response.flushHeaders()
}

/** Sends what `compression` and similar middleware hold back; their `flush` is a convention. */
export function flushCompressed(sink: Writable): void {
  if ('flush' in sink && typeof sink.flush === 'function') sink.flush()
}
