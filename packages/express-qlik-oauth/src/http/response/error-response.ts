import { type IncomingHttpHeaders, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Readable } from 'node:stream'
import { type ErrorCode, type ErrorDetails, QlikOAuthError } from 'qlik-oauth'
import { messageOf } from 'qlik-oauth/internal'
import { removeRepresentationHeaders } from './representation-headers.ts'
import { newTraceId, traceIdOf } from './request-context.ts'
import { abortResponse, closeStream } from './response-end.ts'

/**
 * An error whose message is sent to the client.
 *
 * @param message Names no host, no token and no value that the tenant sent.
 */
export function httpError(
  code: ErrorCode,
  message: string,
  details: Omit<ErrorDetails, 'expose'> = {},
): QlikOAuthError {
  return new QlikOAuthError(code, message, { ...details, expose: true })
}

export interface ErrorResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * Makes a response of Qlik's shape from any thrown value, so that Qlik's clients understand it:
 * `{"errors":[{"code","title","detail","status"}],"traceId"}`.
 *
 * `code` is the error's code in lower case without `ERR_`, such as `session_expired`. The message is sent only where
 * the error says that it may be: others name hosts.
 *
 * @param traceId Identifies this failure for the client and in the log. @default 16 random bytes
 */
export function errorResponse(error: unknown, traceId = newTraceId()): ErrorResponse {
  const known = describeError(error)
  const { code, status, title, headers } = known
  const detail = known.expose ? known.message : defaultDetail(known)
  const body = JSON.stringify({
    errors: [{ code: code.replace(/^ERR_/, '').toLowerCase(), title, detail, status: String(status) }],
    traceId,
  })
  return {
    status,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(Buffer.byteLength(body)),
      'x-content-type-options': 'nosniff',
      ...headers,
    },
    body,
  }
}

/**
 * Responds to a request with an error.
 *
 * A response that has begun is destroyed, so that it does not look complete. Cookies that were set on the response are
 * sent.
 */
export function sendError(response: ServerResponse, error: unknown, traceId = traceIdOf(response.req)): void {
  if (response.headersSent) {
    abortResponse(response)
    return
  }
  const { status, headers, body } = errorResponse(error, traceId)
  const { req: request } = response
  // HTTP/2 has neither a reason phrase nor `Connection`.
  const isHttp1 = request.httpVersionMajor === 1
  if (isHttp1) response.statusMessage = STATUS_CODES[status] ?? ''
  removeRepresentationHeaders(response)
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  // RFC 9110, section 15.5.22.
  if (isHttp1 && status === 426) response.setHeader('upgrade', 'websocket').setHeader('connection', 'close, Upgrade')
  if (!isHttp1) {
    response.writeHead(status).end(body)
    // A stream whose request is not read never closes, and its session neither.
    if (!request.complete) discardInput(request, () => closeStream(response))
    return
  }
  if (request.complete || (!request.readableDidRead && isShort(request.headers))) {
    // Node reads the rest of a short body by itself, and takes what follows for the next request.
    response.writeHead(status).end(body)
    return
  }

  // The client gets the whole response and a moment to stop sending. A long upload is not read to its end.
  response.setHeader('connection', 'close')
  response.writeHead(status)
  if (request.method !== 'HEAD') response.write(body)
  const end = (): void => void response.end()
  request.once('end', end).once('close', end)
  discardInput(request, end)
}

/**
 * Reads and discards what a client still sends after the response, for at most a second: closing a socket with unread
 * bytes resets it, and the client may lose the response.
 *
 * @param onTimeout Called when the client has not stopped by then.
 */
export function discardInput(stream: Readable, onTimeout: () => void): void {
  const timer = setTimeout(onTimeout, 1000)
  stream.once('close', () => clearTimeout(timer)).resume()
}

const longestUnread = 64 * 1024

/** The error for the response and the events of any thrown value: `ERR_INTERNAL` for one that is no QlikOAuthError. */
export function describeError(error: unknown): QlikOAuthError {
  if (error instanceof QlikOAuthError) return error
  return new QlikOAuthError('ERR_INTERNAL', messageOf(error), { cause: error })
}

function defaultDetail({ status, retryAfterSeconds }: QlikOAuthError): string {
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
