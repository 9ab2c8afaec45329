import type { ServerResponse } from 'node:http'
import { constants, Http2ServerResponse, type ServerHttp2Stream } from 'node:http2'

/**
 * Ends a response so that it does not look complete.
 *
 * An HTTP/2 stream that is merely destroyed ends as a complete one does. RFC 9113, section 5.4.2. In HTTP/1.0, without
 * chunks or a length, the end of the connection would be taken for the end of the response.
 */
export function abortResponse(response: ServerResponse): void {
  const stream = streamOf(response)
  if (stream !== undefined) {
    stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    return
  }
  const { socket, req: request } = response
  if (request.httpVersionMinor === 0 && socket !== null && !('encrypted' in socket)) socket.resetAndDestroy()
  response.destroy()
}

/**
 * Closes the HTTP/2 stream of a response that is complete while its request is not, which asks the client to stop
 * sending. RFC 9113, section 8.1.
 */
export function closeStream(response: ServerResponse): void {
  streamOf(response)?.close(constants.NGHTTP2_NO_ERROR)
}

/** Whether the client has left or the response has ended; `destroyed` is not set for HTTP/2. */
export function hasClosed(response: ServerResponse): boolean {
  return response.destroyed || streamOf(response)?.closed === true
}

function streamOf(response: unknown): ServerHttp2Stream | undefined {
  return response instanceof Http2ServerResponse ? response.stream : undefined
}
