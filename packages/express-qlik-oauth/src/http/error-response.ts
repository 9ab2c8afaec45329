import { randomBytes } from 'node:crypto'
import { type IncomingHttpHeaders, type ServerResponse, STATUS_CODES } from 'node:http'
import { QlikOAuthError } from 'qlik-oauth'

export interface ErrorResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * Makes a response of Qlik's shape from any thrown value, so that Qlik's clients understand it:
 * `{"errors":[{"code","title","detail","status"}],"traceId"}`.
 *
 * `code` is the error's code in lower case without `ERR_`, such as `session_expired`. The message is sent only where the
 * error says that it may be: others name hosts.
 *
 * @param traceId Identifies this failure for the client and in the log. @default 16 random bytes
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
      ...(status === 401 ? { 'www-authenticate': challenge } : {}),
    },
    body,
  }
}

/**
 * A 401 must have a challenge (RFC 9110, section 15.5.2). No registered scheme stands for a session cookie, and browsers
 * open a dialog for those they know, such as Basic.
 */
const challenge = 'Session realm="application"'

/**
 * Responds to a request with an error.
 *
 * A response that has begun is cut off, so that it does not look complete. Cookies that were set on the response are
 * sent.
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

  // Closing with unread bytes makes the kernel reset the connection, and the client may lose the response. It gets the
  // whole response and a moment to stop sending; then the connection ends. A long upload is not read to its end.
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

/** Without chunks or a length, the end of the connection would be taken for the end of the response. */
function cutOff(response: ServerResponse): void {
  const { socket, req: request } = response
  if (request.httpVersionMinor === 0 && socket !== null && !('encrypted' in socket)) socket.resetAndDestroy()
  response.destroy()
}

/** Identifies one failure, in the form of a W3C trace id. */
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

/** A client that waits for `100 Continue` may or may not send the body after a refusal. */
function isShort({ expect, ...headers }: IncomingHttpHeaders): boolean {
  return (
    expect === undefined &&
    headers['transfer-encoding'] === undefined &&
    Number(headers['content-length'] ?? 0) <= longestUnread
  )
}
