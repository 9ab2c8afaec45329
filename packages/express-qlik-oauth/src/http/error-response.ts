import { randomBytes } from 'node:crypto'
import { type IncomingHttpHeaders, type ServerResponse, STATUS_CODES } from 'node:http'
import { QlikOAuthError } from 'qlik-oauth'

export interface ErrorResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * Turns whatever was thrown into an answer of Qlik's shape, so that Qlik's clients understand it:
 * `{"errors":[{"code","title","detail","status"}],"traceId"}`.
 *
 * `code` is the error's code in lower case without `ERR_`, such as `session_expired`. Messages of errors other than
 * refusals stay inside, since they name hosts.
 *
 * @param traceId Names this failure to the caller and in the log. @default 16 random bytes
 */
export function errorResponse(error: unknown, traceId = newTraceId()): ErrorResponse {
  const { code, status, title, detail, retryAfterSeconds, allow } = described(error)
  const body = JSON.stringify({
    errors: [{ code: code.replace(/^ERR_/, '').toLowerCase(), title, detail, status: String(status) }],
    traceId,
  })
  return {
    status,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(Buffer.byteLength(body)),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
      ...(allow === undefined ? {} : { allow: allow.join(', ') }),
    },
    body,
  }
}

/**
 * Answers a request with an error.
 *
 * When the answer has already begun it is cut off, so that nobody takes it for a complete one. Cookies that were set on
 * the response stay.
 */
export function sendError(response: ServerResponse, error: unknown, traceId?: string): void {
  if (response.headersSent) {
    cutOff(response)
    return
  }
  const { status, headers, body } = errorResponse(error, traceId)
  const { req: request } = response
  response.statusMessage = STATUS_CODES[status] ?? ''
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  if (request.complete || (!request.readableDidRead && isShort(request.headers))) {
    // Node reads the rest of a short body by itself, and takes what follows for the next request.
    response.writeHead(status).end(body)
    return
  }

  // Closing with unread bytes makes the kernel reset the connection, and the client may lose the answer: so it gets the
  // whole answer first, and a moment to stop sending. Only then does the connection end; a long upload is never read to
  // its end for nothing.
  response.setHeader('connection', 'close')
  response.writeHead(status)
  if (request.method !== 'HEAD') response.write(body)
  const end = (): void => {
    clearTimeout(timer)
    response.end()
  }
  const timer = setTimeout(end, lingerMs)
  request.once('end', end).once('close', end).resume()
}

/** Without chunks or a length, the end of the connection would be taken for the end of the answer. */
function cutOff(response: ServerResponse): void {
  const { socket, req: request } = response
  if (request.httpVersionMinor === 0 && socket !== null && !('encrypted' in socket)) socket.resetAndDestroy()
  response.destroy()
}

/** A name for one failure, in the form of a W3C trace id. */
export function newTraceId(): string {
  return randomBytes(16).toString('hex')
}

const lingerMs = 1000
const longestUnread = 64 * 1024
interface Description {
  readonly code: string
  readonly status: number
  readonly title: string
  readonly detail: string
  readonly retryAfterSeconds?: number | undefined
  readonly allow?: readonly string[] | undefined
}

function described(error: unknown): Description {
  if (!(error instanceof QlikOAuthError)) {
    return { code: 'ERR_INTERNAL', status: 500, title: 'Internal error', detail: adviceOn(500, undefined) }
  }
  const { code, status, title, message, allow, retryAfterSeconds } = error
  const detail = error.expose ? message : adviceOn(status, retryAfterSeconds)
  return { code, status, title, detail, allow, retryAfterSeconds }
}

function adviceOn(status: number, retryAfterSeconds: number | undefined): string {
  if (retryAfterSeconds !== undefined) return `Try again in ${retryAfterSeconds} seconds.`
  if (status === 401) return 'Log in and send the request again.'
  return status >= 500
    ? 'The log of the application says more under this trace id.'
    : 'Sending the same request again does not help.'
}

/** Whoever waits for `100 Continue` may send the body or not, once it has been refused. */
function isShort({ expect, ...headers }: IncomingHttpHeaders): boolean {
  return (
    expect === undefined &&
    headers['transfer-encoding'] === undefined &&
    Number(headers['content-length'] ?? 0) <= longestUnread
  )
}
