import type { IncomingMessage, ServerResponse } from 'node:http'
import { QlikOAuthError } from 'qlik-oauth'
import { newTraceId, sendError } from '../http/error-response.ts'
import { httpError } from '../http/http-error.ts'
import type { Authenticate } from '../http/principal.ts'
import { requireSameOrigin } from '../http/same-origin.ts'
import { exchange } from './exchange.ts'
import { pathRules } from './path-rules.ts'
import { type RestProxyEvent, type RestProxyOptions, restProxySettings } from './rest-proxy-options.ts'
import { tenantPools } from './tenant-pool.ts'
import { tooLong } from './upload.ts'

export type { RestProxyEvent, RestProxyOptions } from './rest-proxy-options.ts'

export interface RestProxy {
  /** Serves what is below the mount; hands everything else to `next`, or answers 404 without one. */
  (request: IncomingMessage, response: ServerResponse, next?: () => void): void
  /** The same for a request whose access is known already, or being looked for: `find` is asked instead of `access`. */
  serve(request: IncomingMessage, response: ServerResponse, next: (() => void) | undefined, find: Authenticate): void
  /** Ends the connections to the tenants. What is still under way is cut off, so let the HTTP server drain first. */
  close(): Promise<void>
}

/**
 * Passes requests below the mount on to the tenant, with the access token of whoever the request comes from.
 *
 * A plain Node handler: mount it in Express before session and body parsers, or serve it ahead of Express, which costs
 * half. It decides by the whole path, so both work with the same `mount`.
 *
 * @example
 * const proxy = restProxy({ access, publicUrl: 'https://app.example.com' })
 * app.use('/qlik', proxy)
 * // or ahead of Express
 * http.createServer((request, response) => proxy(request, response, () => app(request, response)))
 *
 * @throws ERR_CONFIGURATION
 */
export function restProxy(options: RestProxyOptions): RestProxy {
  const settings = restProxySettings(options)
  const checkPath = pathRules(settings.allow)
  const tenants = tenantPools(settings)
  const { authenticate: access, mount, publicOrigin } = settings

  const restProxy: RestProxy = (request, response, next) => restProxy.serve(request, response, next, access)
  restProxy.serve = (request, response, next, find) => {
    const target = targetOf(request)
    if (!isBelow(mount, target)) {
      if (next === undefined) fail(request, response, httpError('ERR_NOT_FOUND', 'Nothing is served at this path.'))
      else next()
      return
    }
    const begin = (): void => {
      passOn(request, response, target.slice(mount.length), find).catch((error: unknown) =>
        fail(request, response, error),
      )
    }
    // The answer before it is still under way: only then does a pipelined request have its turn, or none when the
    // connection ends with that answer. RFC 9112, sections 9.3.2 and 9.6.
    if (response.socket === null) response.once('socket', begin)
    else begin()
  }
  restProxy.close = () => tenants.close()
  return restProxy

  /** The whole path of a request: who may ask, for what, with whose token, and then the exchange with the tenant. */
  async function passOn(
    request: IncomingMessage,
    response: ServerResponse,
    target: string,
    find: Authenticate,
  ): Promise<void> {
    if (tenants.closed) throw httpError('ERR_CLOSING', 'Try again in a moment.')
    if (target.length > settings.urlBytes)
      throw httpError('ERR_URL_TOO_LONG', `At most ${settings.urlBytes} characters are accepted.`)
    if (notVisible.test(target))
      throw httpError('ERR_PATH_REFUSED', 'A URL consists of visible ASCII characters; encode all others.')
    const query = target.indexOf('?')
    const path = query === -1 ? target : target.slice(0, query)
    const { method = 'GET' } = request
    checkPath(path, method)
    refuseOverride(request)
    requireSameOrigin(request, publicOrigin)
    const hasBody = checkBody(request, settings.bodyBytes)

    const found = await find(request)
    if (found === undefined)
      throw new QlikOAuthError('ERR_LOGIN_REQUIRED', 'The request comes from nobody who is logged in')
    const accessToken = await found.tokens.accessToken()
    if (response.destroyed) return

    const upstream = tenants.to(found.tokens.tenant)
    exchange(
      { request, response, method, target, path, hasBody, principal: found, upstream, settings, fail },
      accessToken,
    )
  }

  function fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const traceId = traceIdOf(request)
    sendError(response, error, traceId)
    if (settings.onEvent === undefined) return
    const { code, status } = error instanceof QlikOAuthError ? error : { code: 'ERR_INTERNAL', status: 500 }
    const [path = ''] = targetOf(request).split('?', 1)
    const event: RestProxyEvent = {
      type: status < 500 ? 'refused' : 'failed',
      code,
      status,
      method: request.method ?? 'GET',
      path,
      traceId,
      message: error instanceof Error ? error.message : 'Something was thrown that is no error',
    }
    try {
      settings.onEvent(event)
    } catch (thrown) {
      // A listener that fails is the application's business, but no reason to end the process.
      process.emitWarning(thrown instanceof Error ? thrown : String(thrown))
    }
  }
}

const notVisible = /[^\x21-\x7e]|#/

/** Express takes the mount off `url` and keeps the whole in `originalUrl`. */
function targetOf(request: IncomingMessage & { originalUrl?: unknown }): string {
  const { originalUrl, url = '/' } = request
  return typeof originalUrl === 'string' ? originalUrl : url
}

function isBelow(mount: string, target: string): boolean {
  if (!target.startsWith(mount)) return false
  const next = target[mount.length]
  return next === '/' || next === '?' || next === undefined
}

/** A method in a header would change the method after it has been judged. */
function refuseOverride({ headers }: IncomingMessage): void {
  if (headers['x-http-method-override'] ?? headers['x-http-method'] ?? headers['x-method-override']) {
    throw httpError(
      'ERR_METHOD_NOT_ALLOWED',
      'Send the request with the method that is meant; it is not taken from a header.',
    )
  }
}

/** @returns Whether the request has a body, which nobody has read so far. */
function checkBody(request: IncomingMessage, longest: number): boolean {
  const { headers, method } = request
  const encoding = headers['transfer-encoding']
  const length = headers['content-length']
  if (encoding === undefined && (length === undefined || length === '0')) return false

  if (encoding !== undefined && (encoding.toLowerCase() !== 'chunked' || request.httpVersionMinor === 0))
    throw httpError('ERR_REQUEST_INVALID', 'Of the transfer codings only chunked is accepted, and from HTTP/1.1 on.')
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS')
    throw httpError('ERR_REQUEST_INVALID', `A ${method} request has no body.`)
  if (Number(length ?? 0) > longest) throw tooLong(longest)
  if (request.readableDidRead || request.readableEnded) {
    throw httpError(
      'ERR_BODY_CONSUMED',
      'A body parser has read the request before the proxy could pass it on. Mount the proxy before express.json() and other body parsers.',
    )
  }
  return true
}

function traceIdOf({ headers }: IncomingMessage): string {
  const { traceparent } = headers
  const [, traceId] =
    typeof traceparent === 'string' ? (/^[\da-f]{2}-([\da-f]{32})-[\da-f]{16}-[\da-f]{2}$/.exec(traceparent) ?? []) : []
  return traceId ?? newTraceId()
}
