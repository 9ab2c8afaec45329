import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { QlikOAuthError } from 'qlik-oauth'
import { httpError } from '../http/response/error-response.ts'

/**
 * The body of a request on its way to the tenant.
 *
 * A stream of its own: destroying an IncomingMessage closes the client's connection, and a tenant that responds before
 * it has read everything would cut off its own response.
 *
 * @param idleMs Longest wait for the client while the tenant is ready to read.
 * @param maxBytes Longest body.
 * @param measurement Gets the number of bytes that were read.
 * @throws ERR_BODY_TOO_LARGE, ERR_BODY_TIMEOUT, as errors of the stream.
 */
export function upload(
  request: IncomingMessage,
  idleMs: number,
  maxBytes: number,
  measurement?: { requestBytes: number },
): Readable {
  let bytes = 0
  let timer: NodeJS.Timeout | undefined

  const body = new Readable({
    highWaterMark: 128 * 1024,
    read() {
      request.resume()
      timer ??= setTimeout(expired, idleMs)
      timer.refresh()
    },
    destroy(error, done) {
      clearTimeout(timer)
      request.off('data', take).off('end', finish).pause()
      done(error)
    },
  })

  function take(chunk: Buffer): void {
    bytes += chunk.length
    if (measurement !== undefined) measurement.requestBytes = bytes
    if (bytes > maxBytes) {
      body.destroy(bodyTooLarge(maxBytes))
    } else if (body.push(chunk)) {
      timer?.refresh()
    } else {
      // The tenant is slow now: `headersMs` applies.
      clearTimeout(timer)
      timer = undefined
      request.pause()
    }
  }
  function finish(): void {
    clearTimeout(timer)
    body.push(null)
  }
  function expired(): void {
    body.destroy(httpError('ERR_BODY_TIMEOUT', `The client sent nothing for ${idleMs / 1000} seconds.`))
  }

  request.on('data', take).on('end', finish).pause()
  return body
}

export function bodyTooLarge(maxBytes: number): QlikOAuthError {
  return httpError('ERR_BODY_TOO_LARGE', `At most ${maxBytes} bytes are accepted.`)
}
