import type { IncomingMessage, ServerResponse } from 'node:http'
import { challenge } from 'qlik-oauth/internal'
import { httpError } from '../../http/response/error-response.ts'
import { asciiDisposition } from './content-disposition.ts'
import { contentPolicy } from './content-policy.ts'
import { bodyHeaders, forwardedTrailers, headerActions, messageHeaders } from './forwarded-response-headers.ts'
import type { TenantLinks } from './tenant-links.ts'

/** Headers of the tenant's response, names in lower case. */
export type TenantHeaders = Readonly<Record<string, string | string[] | undefined>>

/** The request that a response belongs to. */
export interface ForwardedRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly method: string
  /** Path on the tenant. */
  readonly path: string
  readonly pool: { readonly links: TenantLinks }
  readonly settings: {
    /** `dangerouslyRunTenantPages` */
    readonly activeContent: ReadonlySet<string>
    readonly clientMs: number
    readonly decompressedBytes: number
  }
}

/** The head of a response, as it is sent to the client. */
export interface ResponseHead {
  /** Alternating names, in lower case, and values; every name once. */
  readonly headers: string[]
  readonly contentType: string
  readonly contentEncoding: string
  /** -1 when the tenant sends none. */
  readonly contentLength: number
  /** Value of `Trailer`; not among the headers, because only chunked responses have trailers. */
  readonly trailer: string
  readonly isEventStream: boolean
}

/**
 * The head of the client's response, made from the tenant's.
 *
 * @throws ERR_TENANT_RESPONSE
 */
export function responseHead(
  received: TenantHeaders,
  status: number,
  { request, path, pool, settings }: Pick<ForwardedRequest, 'request' | 'path' | 'pool' | 'settings'>,
): ResponseHead {
  const headers: string[] = []
  const named = namedIn(joinedValue(received.connection))
  let contentType = ''
  let contentEncoding = ''
  let contentLength = -1
  let contentDisposition: string | undefined
  let cacheControl = ''
  let vary = ''
  let trailer = ''

  for (const name in received) {
    const action = headerActions.get(name)
    if (action === undefined || named?.has(name) === true) continue
    const value = joinedValue(received[name])
    switch (action) {
      case 'forward':
        headers.push(name, value)
        continue
      case 'cache-control':
        cacheControl = value
        continue
      case 'vary':
        vary = value
        continue
      case 'location': {
        const location = pool.links.location(value, path)
        if (location !== undefined) headers.push(name, location)
        continue
      }
      case 'link':
        headers.push(name, pool.links.link(value))
        continue
      case 'etag':
        headers.push(name, status === 304 ? revalidated(value, request.headers['if-none-match']) : value)
        continue
      case 'trailer':
        trailer = announced(value)
        continue
      case 'transfer-encoding':
        requireChunked(value)
        continue
      case 'content-disposition':
        contentDisposition = asciiDisposition(value)
        continue
      case 'content-length':
        // RFC 9110, section 8.6
        if (status === 204) continue
        contentLength = Number(value)
        break
      case 'content-type':
        contentType = value
        break
      case 'content-encoding':
        contentEncoding = value
        break
    }
    headers.push(name, value)
  }

  // The tenant's challenge is for its own token, which the client does not have.
  if (status === 401) headers.push('www-authenticate', challenge)
  const isEventStream = eventStream.test(contentType)
  headers.push('x-content-type-options', 'nosniff')
  if (isEventStream) headers.push('cache-control', unbuffered(privately(cacheControl)), 'x-accel-buffering', 'no')
  else headers.push('cache-control', privately(cacheControl))
  // A 304 has no content type, and the stored response keeps its policy.
  if (status === 304 || settings.activeContent.has(path)) {
    if (contentDisposition !== undefined) headers.push('content-disposition', contentDisposition)
  } else {
    const policy = contentPolicy(contentType, contentDisposition, request.headers['sec-fetch-dest'])
    if (policy.contentDisposition !== undefined) headers.push('content-disposition', policy.contentDisposition)
    if (policy.contentSecurityPolicy !== undefined) {
      headers.push('content-security-policy', policy.contentSecurityPolicy)
      vary = vary === '' ? 'Sec-Fetch-Dest' : `${vary}, Sec-Fetch-Dest`
    }
  }
  headers.push('vary', withCookie(vary))
  return { headers, contentType, contentEncoding, contentLength, trailer, isEventStream }
}

/**
 * The head of a response whose links are rewritten: without the headers that describe the tenant's bytes, and with a
 * weak ETag, because a strong one identifies exact bytes. RFC 9110, section 8.8.1.
 */
export function withChangedBody(head: ResponseHead): ResponseHead {
  const headers: string[] = []
  for (let index = 0; index + 1 < head.headers.length; index += 2) {
    const [name = '', value = ''] = [head.headers[index], head.headers[index + 1]]
    if (name === 'etag' && value.startsWith('"')) headers.push(name, `W/${value}`)
    else if (!bodyHeaders.has(name)) headers.push(name, value)
  }
  return { ...head, headers, contentLength: -1 }
}

/** The trailers that are forwarded. */
export function responseTrailers(received: TenantHeaders, changedBody: boolean): Record<string, string> {
  const trailers: Record<string, string> = {}
  for (const [name, value] of Object.entries(received)) {
    if (forwardedTrailers.has(name) && !(changedBody && bodyHeaders.has(name))) trailers[name] = joinedValue(value)
  }
  return trailers
}

const eventStream = /^text\/event-stream[ \t]*(?:;|$)/i

function announced(trailer: string): string {
  return trailer
    .split(',')
    .map(name => name.trim().toLowerCase())
    .filter(name => forwardedTrailers.has(name))
    .join(', ')
}

function joinedValue(value: string | string[] | undefined): string {
  if (typeof value === 'string') return value
  return value === undefined ? '' : value.join(', ')
}

/** Headers named in the tenant's `Connection` are not forwarded. RFC 9110, section 7.6.1. */
function namedIn(connection: string): ReadonlySet<string> | undefined {
  if (connection === '' || connection === 'keep-alive' || connection === 'close') return undefined
  const names = new Set(
    connection
      .toLowerCase()
      .split(',')
      .map(name => name.trim()),
  )
  for (const name of messageHeaders) names.delete(name)
  return names
}

/** `Transfer-Encoding` is not forwarded, so the client could not decode any other coding. */
function requireChunked(transferEncoding: string): void {
  if (transferEncoding.trim().toLowerCase() === 'chunked') return
  throw httpError('ERR_TENANT_RESPONSE', 'The response has a transfer coding other than chunked.')
}

/** The ETag of a 304, weak when the client stored it as a weak one. */
function revalidated(etag: string, ifNoneMatch: string | undefined): string {
  return ifNoneMatch?.includes(`W/${etag}`) === true ? `W/${etag}` : etag
}

/** A response belongs to one user, so no shared cache may store it, regardless of the tenant's `Cache-Control`. */
function privately(cacheControl: string): string {
  if (cacheControl === '') return 'private'
  const directives = (cacheControl.match(/(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g) ?? [])
    .map(directive => directive.trim())
    .filter(
      directive => directive !== '' && !/^(?:public|private|s-maxage|proxy-revalidate)(?:\s*=|$)/i.test(directive),
    )
  return directives.some(directive => /^no-store$/i.test(directive))
    ? directives.join(', ')
    : ['private', ...directives].join(', ')
}

/** Tells middleware and balancers that compress to leave events alone, as `X-Accel-Buffering` tells nginx. */
function unbuffered(cacheControl: string): string {
  return /(?:^|,)\s*no-transform\s*(?:,|$)/i.test(cacheControl) ? cacheControl : `${cacheControl}, no-transform`
}

function withCookie(vary: string): string {
  if (vary === '') return 'Cookie'
  return /(?:^|,)\s*(?:\*|cookie)\s*(?:,|$)/i.test(vary) ? vary : `${vary}, Cookie`
}
