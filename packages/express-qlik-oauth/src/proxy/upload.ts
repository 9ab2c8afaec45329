import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { QlikOAuthError } from 'qlik-oauth'
import { httpError } from '../http/http-error.ts'

/**
 * The body of a request on its way to the tenant.
 *
 * It is a stream of its own, because whoever destroys an IncomingMessage closes the browser's connection with it: a
 * tenant that answers before it has read everything would cut off its own answer.
 *
 * @param idleMs Longest wait for the browser while the tenant is ready to read.
 */
export function upload(request: IncomingMessage, idleMs: number, longest: number): Readable {
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
    if (bytes > longest) {
      body.destroy(tooLong(longest))
    } else if (body.push(chunk)) {
      timer?.refresh()
    } else {
      // From here on the tenant is the slow one, and its own limit counts.
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
    body.destroy(httpError('ERR_BODY_TIMEOUT', `Nothing of the body arrived for ${idleMs / 1000} seconds.`))
  }

  request.on('data', take).on('end', finish).pause()
  return body
}

export function tooLong(longest: number): QlikOAuthError {
  return httpError('ERR_BODY_TOO_LARGE', `At most ${longest} bytes are accepted.`)
}
