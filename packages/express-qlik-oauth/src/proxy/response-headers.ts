import { httpError } from '../http/error-response.ts'
import { contentPolicy } from './content-policy.ts'
import type { ProxiedRequest } from './proxied-request.ts'
import type { TenantHeaders } from './tenant-attempt.ts'

/**
 * Headers of the tenant's responses that reach the client. `Cache-Control`, `Vary`, `Location`, `Content-Location`,
 * `Link` and `ETag` are adapted, `Trailer` is sent where the response is chunked; everything else stays: cookies,
 * credentials, what concerns the tenant's origin, the connection, or a server in front of the application.
 */
export const forwardedResponseHeaders: readonly string[] = [
  'accept-patch',
  'accept-post',
  'accept-ranges',
  'age',
  'allow',
  'cache-control',
  'content-digest',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-md5',
  'content-range',
  'content-type',
  'date',
  'deprecation',
  'digest',
  'etag',
  'expires',
  'last-modified',
  'link',
  'location',
  'pragma',
  'preference-applied',
  'qlik-api-version',
  'ratelimit',
  'ratelimit-limit',
  'ratelimit-policy',
  'ratelimit-remaining',
  'ratelimit-reset',
  'repr-digest',
  'retry-after',
  'server-timing',
  'sunset',
  'tus-checksum-algorithm',
  'tus-extension',
  'tus-max-size',
  'tus-resumable',
  'tus-version',
  'upload-complete',
  'upload-concat',
  'upload-defer-length',
  'upload-draft-interop-version',
  'upload-expires',
  'upload-length',
  'upload-limit',
  'upload-metadata',
  'upload-offset',
  'vary',
  'want-content-digest',
  'want-digest',
  'want-repr-digest',
  'warning',
  'x-correlation-id',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'x-request-id',
]

/** The head of a response, as the client gets it. */
export interface ResponseHead {
  /** Names in lower case and values in turn; no name comes twice. */
  readonly headers: string[]
  readonly contentType: string
  readonly contentEncoding: string
  /** -1 when the tenant does not say. */
  readonly contentLength: number
  /** Names of announced trailers; not among the headers, since not every response can have them. */
  readonly trailer: string
  readonly isEventStream: boolean
}

/**
 * Makes the head of the response from the tenant's.
 *
 * @throws ERR_TENANT_RESPONSE
 */
export function responseHead(
  received: TenantHeaders,
  status: number,
  { request, path, pool, settings }: Pick<ProxiedRequest, 'request' | 'path' | 'pool' | 'settings'>,
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
    const action = actions.get(name)
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
        contentDisposition = value
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

  headers.push('x-content-type-options', 'nosniff', 'cache-control', privately(cacheControl))
  // A 304 has no type; it leaves the policy of the stored response alone.
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
  const isEventStream = eventStream.test(contentType)
  return { headers, contentType, contentEncoding, contentLength, trailer, isEventStream }
}

/**
 * The head of a response whose body is changed: without what describes the tenant's bytes, and with a weak ETag, since
 * a strong one stands for exactly those. RFC 9110, section 8.8.1.
 */
export function withChangedBody(head: ResponseHead): ResponseHead {
  const headers: string[] = []
  for (let index = 0; index + 1 < head.headers.length; index += 2) {
    const [name = '', value = ''] = [head.headers[index], head.headers[index + 1]]
    if (name === 'etag' && value.startsWith('"')) headers.push(name, `W/${value}`)
    else if (!ofTheBytes.has(name)) headers.push(name, value)
  }
  return { ...head, headers, contentLength: -1 }
}

/** Trailers that reach the client. */
export function responseTrailers(received: TenantHeaders, changedBody: boolean): [name: string, value: string][] {
  const trailers: [string, string][] = []
  for (const [name, value] of Object.entries(received)) {
    if (forwardedTrailers.has(name) && !(changedBody && ofTheBytes.has(name))) trailers.push([name, joinedValue(value)])
  }
  return trailers
}

type Action =
  | 'forward'
  | 'cache-control'
  | 'content-disposition'
  | 'content-encoding'
  | 'content-length'
  | 'content-type'
  | 'etag'
  | 'link'
  | 'location'
  | 'trailer'
  | 'transfer-encoding'
  | 'vary'

/** What happens to a header of the tenant; all others are stripped. */
const actions: ReadonlyMap<string, Action> = new Map<string, Action>([
  ...forwardedResponseHeaders.map((name): [string, Action] => [name, 'forward']),
  ['cache-control', 'cache-control'],
  ['content-disposition', 'content-disposition'],
  ['content-encoding', 'content-encoding'],
  ['content-length', 'content-length'],
  ['content-location', 'location'],
  ['content-type', 'content-type'],
  ['etag', 'etag'],
  ['link', 'link'],
  ['location', 'location'],
  ['trailer', 'trailer'],
  ['transfer-encoding', 'transfer-encoding'],
  ['vary', 'vary'],
])

const forwardedTrailers: ReadonlySet<string> = new Set([
  'content-digest',
  'content-md5',
  'digest',
  'repr-digest',
  'server-timing',
])

/** Headers that describe the tenant's bytes. */
const ofTheBytes: ReadonlySet<string> = new Set([
  'accept-ranges',
  'content-digest',
  'content-length',
  'content-md5',
  'digest',
  'repr-digest',
])

/** Headers that the tenant's `Connection` cannot remove: they belong to the message. */
const ofTheMessage: readonly string[] = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-length',
  'content-type',
  'transfer-encoding',
  'vary',
]

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

/** Headers that the tenant's `Connection` names end here. RFC 9110, section 7.6.1. */
function namedIn(connection: string): ReadonlySet<string> | undefined {
  if (connection === '' || connection === 'keep-alive' || connection === 'close') return undefined
  const names = new Set(
    connection
      .toLowerCase()
      .split(',')
      .map(name => name.trim()),
  )
  for (const name of ofTheMessage) names.delete(name)
  return names
}

/** Any other transfer coding would have to be undone here: the client does not learn of it. */
function requireChunked(transferEncoding: string): void {
  if (transferEncoding.trim().toLowerCase() === 'chunked') return
  throw httpError('ERR_TENANT_RESPONSE', 'The response has a transfer coding other than chunked.')
}

/** The ETag of a 304, weak where the client has stored it as a weak one. */
function revalidated(etag: string, ifNoneMatch: string | undefined): string {
  return ifNoneMatch?.includes(`W/${etag}`) === true ? `W/${etag}` : etag
}

/** A response belongs to one user, so no shared cache may store it, whatever the tenant allows for its own users. */
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

function withCookie(vary: string): string {
  if (vary === '') return 'Cookie'
  return /(?:^|,)\s*(?:\*|cookie)\s*(?:,|$)/i.test(vary) ? vary : `${vary}, Cookie`
}
