import type { IncomingMessage, ServerResponse } from 'node:http'
import { QlikOAuthError } from 'qlik-oauth'
import { callApplication } from '../http/clients/call-application.ts'
import type { Authenticate } from '../http/clients/principal.ts'
import { requestTarget } from '../http/location/request-target.ts'
import { describeError, httpError, sendError } from '../http/response/error-response.ts'
import { traceIdOf } from '../http/response/request-context.ts'
import { hasClosed } from '../http/response/response-end.ts'
import { requireSameOrigin } from '../http/same-origin.ts'
import { Exchange } from './exchange.ts'
import { RequestMeasurement, type RestProxyObserver } from './proxied-event.ts'
import type { ProxiedRequest } from './proxied-request.ts'
import { checkBody, refuseLostUpgrade, refuseMethodOverride, refuseServiceWorker } from './request-checks.ts'
import { type RestProxyEvent, type RestProxyOptions, restProxySettings } from './rest-proxy-options.ts'
import { RunningExchanges } from './running-exchanges.ts'
import { tenantPools } from './tenant-pool.ts'

export interface RestProxy {
  /**
   * Serves requests below the mount; all others get 404.
   *
   * @param authenticate Replaces the option when the principal of the request is known already.
   */
  serve(request: IncomingMessage, response: ServerResponse, authenticate?: Authenticate): void
  /**
   * Ends the proxy. Requests in progress and new ones are served for up to `graceMs`, with `Connection: close`; after
   * that, or as soon as there are none and none can arrive, requests get ERR_CLOSING and the connections to the tenants
   * end.
   */
  close(options: RestProxyCloseOptions): Promise<void>
}

export interface RestProxyCloseOptions {
  readonly graceMs: number
  /** Resolves within `graceMs`: until then requests may arrive. @default no more requests are expected */
  readonly connectionsEnded?: Promise<unknown>
}

/**
 * Forwards requests below the mount to the tenant, with the access token of the principal.
 *
 * A plain Node handler: mount it in Express before session and body parsers, or call it before Express, which halves
 * the cost. It matches the whole path, so both work with the same `mount`.
 *
 * @throws ERR_CONFIGURATION
 */
export function restProxy(options: RestProxyOptions, observer?: RestProxyObserver): RestProxy {
  const settings = restProxySettings(options)
  const { mount, rules } = settings
  const tenants = tenantPools(settings, rules.isOpen)
  const running = new RunningExchanges<Exchange>()
  let state: 'open' | 'draining' | 'closed' = 'open'
  let closing: Promise<void> | undefined
  let served = 0
  let idle = (): void => {}

  return {
    serve(request, response, authenticate = settings.authenticate) {
      const target = mount.below(requestTarget(request))
      if (target === undefined) {
        fail(request, response, httpError('ERR_NOT_FOUND', 'Nothing is served at this path.'))
        return
      }
      // A pipelined request is handled when the previous response is complete, and not at all when the connection ends
      // with that response. RFC 9112, sections 9.3.2 and 9.6.
      if (response.socket === null) response.once('socket', () => handle(request, response, target, authenticate))
      else handle(request, response, target, authenticate)
    },
    close(options) {
      closing ??= drain(options)
      return closing
    },
  }

  async function drain({ graceMs, connectionsEnded }: RestProxyCloseOptions): Promise<void> {
    const until = performance.now() + graceMs
    state = 'draining'
    running.draining = true
    for (const exchange of running.all()) exchange.drain()
    await connectionsEnded
    if (served > 0) await settled(until - performance.now())
    state = 'closed'
    // Waiting requests first: they would start when others end.
    for (const exchange of running.all().filter(({ waits }) => waits)) exchange.destroy()
    for (const exchange of running.all()) exchange.destroy()
    await tenants.close()
  }

  async function handle(
    request: IncomingMessage,
    response: ServerResponse,
    target: string,
    authenticate: Authenticate,
  ): Promise<void> {
    if (hasClosed(response)) return
    if (state !== 'open') response.shouldKeepAlive = false
    served += 1
    const measurement = observer?.watchesEnds() === true ? new RequestMeasurement() : undefined
    let proxied: ProxiedRequest | undefined
    try {
      proxied = await accept(request, response, target, authenticate, measurement)
      // Middleware in front, such as a time limit, may have responded.
      if (!hasClosed(response) && !response.headersSent) await Exchange.run(proxied, running)
    } catch (error) {
      if (measurement !== undefined) measurement.code = describeError(error).code
      if (proxied !== undefined || !response.headersSent) fail(request, response, error)
    } finally {
      if (observer !== undefined) measurement?.reportTo(observer, request, response)
      served -= 1
      if (served === 0) idle()
    }
  }

  /** Checks and authenticates a request. */
  async function accept(
    request: IncomingMessage,
    response: ServerResponse,
    target: string,
    authenticate: Authenticate,
    measurement: RequestMeasurement | undefined,
  ): Promise<ProxiedRequest> {
    refuseWhenClosed()
    if (target.length > settings.urlBytes)
      throw httpError('ERR_URL_TOO_LONG', `At most ${settings.urlBytes} characters are accepted.`)
    if (notVisibleAscii.test(target))
      throw httpError('ERR_PATH_REFUSED', 'A URL consists of visible ASCII characters; encode all others.')
    const query = target.indexOf('?')
    const path = query === -1 ? target : target.slice(0, query)
    const { method = 'GET' } = request
    if (path.startsWith(socketPath)) refuseLostUpgrade(request, rules.isOpen(path))
    rules.check(path, method)
    refuseMethodOverride(request)
    refuseServiceWorker(request)
    requireSameOrigin(request, settings.publicOrigin)
    const hasBody = checkBody(request, settings.bodyBytes)

    const principal = await authenticate(request)
    if (principal === undefined) throw new QlikOAuthError('ERR_LOGIN_REQUIRED', 'Not authenticated')
    if (measurement !== undefined) {
      measurement.login = principal.id
      measurement.user = principal.user
    }
    // It may have taken longer than the grace.
    refuseWhenClosed()
    const limitKey = principal.user ?? principal.id ?? settings.limitNetwork(request)
    const pool = tenants.to(principal.tokens)
    return { request, response, method, target, path, hasBody, principal, limitKey, pool, settings, measurement }
  }

  function refuseWhenClosed(): void {
    if (state === 'closed') throw httpError('ERR_CLOSING', 'Try again in a moment.')
  }

  /** Resolves when no request is in progress, or after `timeoutMs`. */
  function settled(timeoutMs: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, timeoutMs)
      idle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  function fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const traceId = traceIdOf(request)
    if (state !== 'open') response.shouldKeepAlive = false
    sendError(response, error, traceId)
    if (settings.onEvent === undefined && observer === undefined) return
    const { code, status, message } = describeError(error)
    const [path = ''] = requestTarget(request).split('?', 1)
    const event: RestProxyEvent = {
      type: status < 500 ? 'refused' : 'failed',
      code,
      status,
      method: request.method ?? 'GET',
      path,
      traceId,
      message,
    }
    callApplication(() => settings.onEvent?.(event))
    observer?.failed(event, request)
  }
}

const socketPath = '/app/'
const notVisibleAscii = /[^\x21-\x7e]|#/
