import type { IncomingMessage, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { QlikError } from './qlik-error.ts'

/** One request and its response. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
  /** Headers of every response to this request, such as CORS headers. */
  readonly headers: Record<string, string>
  /** The body of a request to `/oauth/*`, which is read before faults are matched. */
  readonly body: Buffer | undefined
  /** Injects a fault with `when: 'after'` in place of the response. @returns whether the fault sent the response */
  injectFault: (() => Promise<boolean>) | undefined
}

export type Headers = Readonly<Record<string, string | number | readonly string[]>>

/** Sends JSON; compresses it when it is larger than 1 KiB and the client accepts gzip. */
export async function sendJson(
  exchange: Exchange,
  status: number,
  value: unknown,
  headers: Headers = {},
): Promise<void> {
  const text = Buffer.from(JSON.stringify(value))
  const compress = text.length > compressionThresholdBytes && acceptsGzip(exchange.request)
  await send(exchange, status, compress ? gzipSync(text) : text, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    vary: 'Accept-Encoding, Origin',
    ...(compress ? { 'content-encoding': 'gzip' } : {}),
    ...headers,
  })
}

/** Sends an HTML page that loads nothing and cannot be framed. */
export async function sendPage(exchange: Exchange, status: number, html: string, headers: Headers = {}): Promise<void> {
  await send(exchange, status, Buffer.from(html), {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    // No form-action: browsers also apply it to the redirect to the application.
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    ...headers,
  })
}

/** Sends a redirect. */
export async function sendRedirect(
  exchange: Exchange,
  status: number,
  location: string,
  headers: Headers = {},
): Promise<void> {
  await send(exchange, status, undefined, { location, 'cache-control': 'no-store', ...headers })
}

/** Sends an error in Qlik's shape. */
export async function sendError(exchange: Exchange, error: QlikError): Promise<void> {
  await sendJson(exchange, error.status, error.body(), error.headers)
}

/** Sends a response, unless one was sent already or the client has left. */
export async function send(exchange: Exchange, status: number, body?: Buffer, headers: Headers = {}): Promise<void> {
  if (exchange.injectFault !== undefined && (await exchange.injectFault())) return
  const { request, response } = exchange
  if (response.headersSent || response.destroyed) return
  const hasNoBody = status === 204 || status === 304
  response.writeHead(status, {
    ...exchange.headers,
    ...headers,
    ...(hasNoBody ? {} : { 'content-length': body?.length ?? 0 }),
  } as Record<string, string>)
  response.end(request.method === 'HEAD' || hasNoBody ? undefined : body)
}

/** Reads the whole body. @throws QlikError 413 above `limitBytes` */
export async function readBody(request: IncomingMessage, limitBytes = 1_048_576): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limitBytes)
      throw new QlikError(413, 'HTTP-413', 'Payload too large', `The body exceeds ${limitBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Reads a JSON object. @throws QlikError 415 for another media type, 400 for other content */
export async function readJson(exchange: Exchange): Promise<Record<string, unknown>> {
  const value = await readJsonValue(exchange)
  if (!isObject(value)) throw new QlikError(400, 'HTTP-400', 'Bad request', 'The body must be a JSON object')
  return value
}

/** Reads any JSON value. @throws QlikError 415 for another media type, 400 for malformed JSON */
export async function readJsonValue(exchange: Exchange): Promise<unknown> {
  if (mediaType(exchange.request) !== 'application/json')
    throw new QlikError(415, 'HTTP-415', 'Unsupported media type', 'Expected application/json')
  const body = exchange.body ?? (await readBody(exchange.request))
  try {
    return JSON.parse(body.toString('utf8')) as unknown
  } catch {
    throw new QlikError(400, 'HTTP-400', 'Bad request', 'The body is not valid JSON')
  }
}

/** The media type of the request body, in lower case and without parameters. */
export function mediaType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';', 1).join('').trim().toLowerCase()
}

/** Whether a parsed JSON value is an object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function acceptsGzip(request: IncomingMessage): boolean {
  return String(request.headers['accept-encoding'] ?? '')
    .split(',')
    .some(coding => /^\s*(gzip|\*)\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/i.test(coding))
}

const compressionThresholdBytes = 1024
