import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { errorResponse } from '../http/error-response.ts'
import { socketVersion } from './upgrade-request.ts'

/** Answers an upgrade with an HTTP error on its raw socket, and closes it. */
export function refuseUpgrade(socket: Duplex, error: unknown, traceId: string): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const answer = errorResponse(error, traceId)
  // RFC 6455, section 4.2.2: whoever speaks another version is told ours.
  const version = answer.status === 426 ? { 'sec-websocket-version': socketVersion } : {}
  const lines = Object.entries({ ...answer.headers, ...version, connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  // Closing with unread bytes resets the connection and may lose the answer, so what still comes is read and dropped
  // for a moment.
  const timer = setTimeout(() => socket.destroy(), lingerMs)
  socket.once('close', () => clearTimeout(timer))
  socket.resume()
  socket.end(`HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ''}\r\n${lines.join('')}\r\n${answer.body}`)
}

const lingerMs = 1000
