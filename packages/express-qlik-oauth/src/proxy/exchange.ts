import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { QlikOAuthError } from 'qlik-oauth'
import type { Dispatcher } from 'undici'
import { httpError } from '../http/http-error.ts'
import type { Principal } from '../http/principal.ts'
import { type AnswerOwner, ClientResponse } from './client-response.ts'
import { requestHeaders } from './request-headers.ts'
import { responseHead } from './response-headers.ts'
import type { RestProxySettings } from './rest-proxy-options.ts'
import type { Connection, ConnectionHandler } from './tenant-connection.ts'
import { tenantError } from './tenant-error.ts'
import type { TenantPool } from './tenant-pool.ts'
import { upload } from './upload.ts'

export interface ExchangeContext {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly method: string
  /** Path on the tenant with its query. */
  readonly target: string
  readonly path: string
  readonly hasBody: boolean
  readonly principal: Principal
  readonly upstream: TenantPool
  readonly settings: RestProxySettings
  /** Answers with an error, or cuts off the answer that has begun. */
  fail(request: IncomingMessage, response: ServerResponse, error: unknown): void
}

/** Sends one request to the tenant and passes its answer to the browser. */
export function exchange(context: ExchangeContext, accessToken: string): void {
  new Exchange(context).start(accessToken)
}

/**
 * The request's handler at undici: one object per request with the methods undici calls. A class, against the habit of
 * this house, because ten closures for each request cost more than everything else here.
 */
class Exchange implements ConnectionHandler, AnswerOwner {
  connection: Connection = unsent
  readonly #context: ExchangeContext
  #accessToken = ''
  #refreshed = false
  #sentAgain = false
  #sentAt = 0
  #abort: ((error?: Error) => void) | undefined
  #body: Readable | undefined
  #waiting: NodeJS.Timeout | undefined
  #stopWatchingLogin: (() => void) | undefined

  /** The browser has left, or this attempt was given up: nothing of it may reach the browser any more. */
  #over = false
  #settled = true
  #answer: ClientResponse | undefined

  constructor(context: ExchangeContext) {
    this.#context = context
  }

  start(accessToken: string): void {
    this.#context.response.once('close', () => this.#closed())
    this.#send(accessToken)
  }

  /** @param headersMs Time for the head of the answer. */
  #send(accessToken: string, headersMs = this.#context.settings.headersMs): void {
    const { request, method, target, hasBody, upstream, settings } = this.#context
    if (upstream.active >= settings.connections + settings.waiting) throw busy()

    this.#accessToken = accessToken
    this.#abort = undefined
    this.#over = false
    this.#settled = false
    upstream.active += 1
    if (upstream.active > settings.connections)
      this.#waiting = setTimeout(() => this.giveUp(busy()), settings.headersMs)
    if (hasBody) this.#body = upload(request, settings.clientMs, settings.bodyBytes)

    const headers = requestHeaders(request, accessToken, hasBody)
    const eventStream = request.headers.accept?.includes('text/event-stream') === true
    upstream.pool.dispatch(
      {
        method: method as Dispatcher.HttpMethod,
        path: target,
        headers,
        body: this.#body ?? null,
        headersTimeout: headersMs,
        bodyTimeout: eventStream ? 0 : settings.bodyMs,
      },
      this,
    )
  }

  onConnect(abort: (error?: Error) => void): void {
    clearTimeout(this.#waiting)
    this.#abort = abort
    this.connection.requests += 1
    this.connection.answer = 'nothing'
    this.#sentAt = performance.now()
    if (this.#over) abort()
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void): boolean {
    if (status < 200) {
      this.#hint(status, raw)
      return true
    }
    if (status === 401 && !this.#refreshed && this.#refresh()) return false

    const { path, upstream, principal: access } = this.#context
    // Qlik's clients take a redirected product-info.json for a sign of Qlik Sense on Windows.
    if (path === productInfo && status >= 300 && status < 400 && status !== 304) {
      this.giveUp(httpError('ERR_NOT_FOUND', 'The tenant does not say what product it is.'))
      return false
    }

    const head = responseHead(raw, upstream.links, path, status)
    this.#answer = new ClientResponse(this.#context, this, status, head, resume)
    this.#answer.start()
    // It may last for hours; like a socket, it ends with the login.
    if (head.contentType.startsWith('text/event-stream'))
      this.#stopWatchingLogin = access.onEnd?.(() => this.giveUp(httpError('ERR_SESSION_EXPIRED', 'Log in again.')))
    return true
  }

  onData(chunk: Buffer): boolean {
    return this.#answer?.data(chunk) !== false
  }

  onComplete(trailers: readonly (string | Buffer)[] | null): void {
    // undici takes a connection that breaks for the end of a body whose length nobody has told.
    if (this.connection.broken) {
      this.onError(httpError('ERR_TENANT_RESET', 'The connection ended before the answer did.'))
      return
    }
    this.#settle()
    this.#answer?.complete(trailers)
    this.#linger()
  }

  onError(error: Error): void {
    this.#settle()
    if (this.#over || this.#answer?.ended === true) return
    const refusal = tenantError(error)
    if (this.#sendAgain(refusal)) return
    this.#over = true
    const { request, response, fail } = this.#context
    fail(request, response, refusal)
  }

  /**
   * The tenant answered before it had the whole body: the browser may stop sending it, and is not waited for longer
   * than a moment.
   */
  #linger(): void {
    const { request, hasBody } = this.#context
    if (!hasBody || request.complete) return
    const timer = setTimeout(() => request.complete || request.destroy(), lingerMs)
    request.once('close', () => clearTimeout(timer)).resume()
  }

  /** @returns True when the request is on its way again with another token. */
  #refresh(): boolean {
    const { principal: access, hasBody, request, response, fail } = this.#context
    const next = access.tokens.accessToken({ rejected: this.#accessToken })
    this.#refreshed = true
    if (hasBody) {
      // Its body is gone, so the tenant's answer stands; the next request finds the new token.
      next.catch(() => {})
      return false
    }
    this.#drop()
    next
      .then(accessToken => {
        if (!response.destroyed) this.#send(accessToken)
      })
      .catch((error: unknown) => fail(request, response, error))
    return true
  }

  /**
   * A connection that has served a request may have been closed by the tenant in the same moment in which the next one
   * was sent. What changes nothing is sent once more then, within the time it had. RFC 9110, section 9.2.2.
   */
  #sendAgain({ code }: QlikOAuthError): boolean {
    const { method, hasBody, settings } = this.#context
    const { requests, answer } = this.connection
    if (
      code !== 'ERR_TENANT_RESET' ||
      this.#sentAgain ||
      this.#abort === undefined ||
      requests < 2 ||
      answer !== 'nothing'
    )
      return false
    if (hasBody || (method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS')) return false

    const leftMs = settings.headersMs - Math.ceil(performance.now() - this.#sentAt)
    if (leftMs <= 0) return false
    this.#sentAgain = true
    this.#send(this.#accessToken, leftMs)
    return true
  }

  #hint(status: number, raw: readonly Buffer[]): void {
    const { request, response, upstream } = this.#context
    if (request.httpVersionMinor === 0 || response.headersSent) return
    if (status === 102) response.writeProcessing()
    if (status !== 103) return
    const link: string[] = []
    for (let index = 0; index + 1 < raw.length; index += 2) {
      if (raw[index]?.toString('latin1').toLowerCase() === 'link')
        link.push(upstream.links.link(raw[index + 1]?.toString('latin1') ?? ''))
    }
    try {
      response.writeEarlyHints({ link })
    } catch {
      // Node accepts fewer forms of `Link` than the RFC; a hint is never needed.
    }
  }

  giveUp(error: QlikOAuthError): void {
    if (this.#over) return
    this.#drop()
    const { request, response, fail } = this.#context
    fail(request, response, error)
  }

  /** Ends what is under way at the tenant. Whatever undici still reports about it is ignored. */
  #drop(): void {
    this.#over = true
    clearTimeout(this.#waiting)
    if (this.#settled) return
    this.#abort?.()
    this.#body?.destroy()
  }

  #closed(): void {
    this.#answer?.closed()
    this.#stopWatchingLogin?.()
    this.#drop()
  }

  #settle(): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#waiting)
    this.#context.upstream.active -= 1
  }
}

function busy(): QlikOAuthError {
  return httpError('ERR_TENANT_BUSY', 'Too many requests wait for the tenant already.')
}

const unsent: Connection = { requests: 0, answer: 'nothing', broken: false }
const productInfo = '/resources/autogenerated/product-info.json'
const lingerMs = 1000
