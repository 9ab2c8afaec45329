import { httpError } from '../http/http-error.ts'
import type { TenantLinks } from './tenant-links.ts'

/**
 * Headers of the tenant that concern the tenant's own origin, its cookies or this connection: they never reach the
 * browser.
 */
export const strippedResponseHeaders: readonly string[] = [
  // of the connection
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
  // of the tenant's login and origin
  'alt-svc',
  'authentication-info',
  'clear-site-data',
  'content-security-policy',
  'content-security-policy-report-only',
  'expect-ct',
  'nel',
  'origin-agent-cluster',
  'permissions-policy',
  'public-key-pins',
  'public-key-pins-report-only',
  'refresh',
  'report-to',
  'reporting-endpoints',
  'server',
  'service-worker-allowed',
  'set-cookie',
  'set-cookie2',
  'strict-transport-security',
  'timing-allow-origin',
  'via',
  'www-authenticate',
  'x-powered-by',
  // shared caches in front of the application would obey these against `private`
  'cdn-cache-control',
  'cloudflare-cdn-cache-control',
  'surrogate-control',
  'surrogate-key',
]

/** What the proxy needs to know of an answer while passing it on. */
export interface ResponseHead {
  /** Names and values in turn, as `writeHead` takes them. */
  readonly headers: string[]
  readonly contentType: string
  readonly contentEncoding: string
  /** -1 when the tenant does not say. */
  readonly contentLength: number
  /** Trailers that are announced; not among the headers, since not every answer of ours can have them. */
  readonly trailer: string
}

/**
 * Turns the headers of the tenant's answer into those of ours.
 *
 * @throws ERR_TENANT_RESPONSE
 */
export function responseHead(
  raw: readonly Buffer[],
  links: TenantLinks,
  requestPath: string,
  status: number,
): ResponseHead {
  const headers: string[] = []
  let contentType = ''
  let contentEncoding = ''
  let contentLength = -1
  let cacheControl = ''
  let vary = ''
  let connection = ''
  let trailer = ''

  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = latin1(raw[index]).toLowerCase()
    if (dropped.has(name)) {
      if (name === 'connection') connection += `,${latin1(raw[index + 1])}`
      else if (name === 'transfer-encoding') requireChunked(latin1(raw[index + 1]))
      continue
    }
    if (name.startsWith('access-control-')) continue

    const value = latin1(raw[index + 1])
    switch (name) {
      case 'cache-control':
        cacheControl = cacheControl === '' ? value : `${cacheControl}, ${value}`
        continue
      case 'vary':
        vary = vary === '' ? value : `${vary}, ${value}`
        continue
      case 'location':
      case 'content-location': {
        const here = links.location(value, requestPath)
        if (here !== undefined) headers.push(name, here)
        continue
      }
      case 'link':
        headers.push(name, links.link(value))
        continue
      case 'trailer':
        trailer = trailer === '' ? value : `${trailer}, ${value}`
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
        contentEncoding = contentEncoding === '' ? value : `${contentEncoding}, ${value}`
        break
    }
    headers.push(name, value)
  }

  headers.push('cache-control', privately(cacheControl), 'vary', withCookie(vary))
  return { headers: named(connection, headers), contentType, contentEncoding, contentLength, trailer }
}

/** Trailers that may go down: what is kept from the browser as a header is kept from it as a trailer too. */
export function responseTrailers(raw: readonly (string | Buffer)[]): [name: string, value: string][] {
  const trailers: [string, string][] = []
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = String(raw[index]).toLowerCase()
    if (!dropped.has(name) && !name.startsWith('access-control-') && !framing.has(name))
      trailers.push([name, latin1(raw[index + 1])])
  }
  return trailers
}

/** Takes headers out of a flat list. */
export function without(headers: readonly string[], names: ReadonlySet<string>): string[] {
  const kept: string[] = []
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? ''
    if (!names.has(name)) kept.push(name, headers[index + 1] ?? '')
  }
  return kept
}

/** Joins the values of headers with one name. */
export function withoutRepeats(headers: readonly string[]): string[] {
  const values = new Map<string, string>()
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const [name = '', value = ''] = [headers[index], headers[index + 1]]
    const before = values.get(name)
    values.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return [...values].flat()
}

const dropped: ReadonlySet<string> = new Set(strippedResponseHeaders)
const framing: ReadonlySet<string> = new Set([
  'content-length',
  'content-encoding',
  'content-type',
  'content-range',
  'cache-control',
  'vary',
  'location',
  'trailer',
  'host',
])

/** Any other transfer coding would have to be undone here, and the browser could not know of it. */
function requireChunked(transferEncoding: string): void {
  if (transferEncoding.trim().toLowerCase() === 'chunked') return
  throw httpError('ERR_TENANT_RESPONSE', 'The answer has a transfer coding other than chunked.')
}

function latin1(bytes: string | Buffer | undefined): string {
  return typeof bytes === 'string' ? bytes : (bytes?.toString('latin1') ?? '')
}

/**
 * The answer belongs to one user: a cache that serves several must not keep it, whatever the tenant says of its own
 * users.
 */
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

/** Headers that the tenant's `Connection` names end here. RFC 9110, section 7.6.1. */
function named(connection: string, headers: string[]): string[] {
  if (connection === '' || connection === ',keep-alive' || connection === ',close') return headers
  const names = new Set(
    connection
      .toLowerCase()
      .split(',')
      .map(name => name.trim()),
  )
  for (const name of kept) names.delete(name)
  return without(headers, names)
}

const kept = ['cache-control', 'vary', 'content-length', 'content-type', 'content-encoding']
