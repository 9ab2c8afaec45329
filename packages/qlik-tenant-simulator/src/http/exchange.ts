import type { IncomingMessage, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import type { RecordedRequest } from '../request-log.ts'
import { QlikError } from './qlik-error.ts'

/** One request and its answer. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
  readonly record: RecordedRequest
  /** Headers that every answer to this request carries, such as those of CORS. */
  readonly headers: Record<string, string>
  /** The body, where it was read before the fault rules looked at the request. */
  readonly body: Buffer | undefined
  /**
   * Set by a fault that strikes when the request has been carried out and only the answer is missing; true when it took
   * the answer over.
   */
  spoil: (() => Promise<boolean>) | undefined
}

export type Headers = Readonly<Record<string, string | number | readonly string[]>>

/** Answers with JSON, compressed where the client accepts that and it pays. */
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

/** Answers with a page that may not be framed and loads nothing. */
export async function sendPage(exchange: Exchange, status: number, html: string, headers: Headers = {}): Promise<void> {
  await send(exchange, status, Buffer.from(html), {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    // No form-action: browsers apply it to the redirect back to the application as well.
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    ...headers,
  })
}

export async function sendRedirect(
  exchange: Exchange,
  status: number,
  location: string,
  headers: Headers = {},
): Promise<void> {
  await send(exchange, status, undefined, { location, 'cache-control': 'no-store', ...headers })
}

export async function sendError(exchange: Exchange, error: QlikError): Promise<void> {
  await sendJson(exchange, error.status, error.body(), error.headers)
}

export async function send(exchange: Exchange, status: number, body?: Buffer, headers: Headers = {}): Promise<void> {
  if (exchange.spoil !== undefined && (await exchange.spoil())) return
  const { request, response } = exchange
  if (response.headersSent || response.destroyed) return
  const bodyless = status === 204 || status === 304
  response.writeHead(status, {
    ...exchange.headers,
    ...headers,
    ...(bodyless ? {} : { 'content-length': body?.length ?? 0 }),
  } as Record<string, string>)
  response.end(request.method === 'HEAD' || bodyless ? undefined : body)
}

/** Reads the whole body. @throws QlikError 413 beyond `limitBytes`. */
export async function readBody(request: IncomingMessage, limitBytes = 1_048_576): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limitBytes)
      throw new QlikError(413, 'HTTP-413', 'Payload too large', `The body may have ${limitBytes} bytes at most`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Reads a JSON object. @throws QlikError 400 for anything else. */
export async function readJson(exchange: Exchange): Promise<Record<string, unknown>> {
  const value = await readJsonValue(exchange)
  if (!isObject(value)) throw new QlikError(400, 'HTTP-400', 'Bad request', 'The body must be a JSON object')
  return value
}

export async function readJsonValue(exchange: Exchange): Promise<unknown> {
  if (mediaType(exchange.request) !== 'application/json')
    throw new QlikError(415, 'HTTP-415', 'Unsupported media type', 'Expected application/json')
  const body = exchange.body ?? (await readBody(exchange.request))
  try {
    return JSON.parse(body.toString('utf8')) as unknown
  } catch {
    throw new QlikError(400, 'HTTP-400', 'Bad request', 'The body is not JSON')
  }
}

export function mediaType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';', 1).join('').trim().toLowerCase()
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function acceptsGzip(request: IncomingMessage): boolean {
  return String(request.headers['accept-encoding'] ?? '')
    .split(',')
    .some(coding => /^\s*(gzip|\*)\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/i.test(coding))
}

const compressionThresholdBytes = 1024
