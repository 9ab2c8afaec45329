import type { QlikOAuthError } from 'qlik-oauth'
import { withAccessToken } from 'qlik-oauth/internal'
import { httpError } from '../http/response/error-response.ts'
import { abortResponse } from '../http/response/response-end.ts'
import { busy, type LoginQueue, type QueuedRequest } from './fair-queue.ts'
import type { ProxiedRequest } from './proxied-request.ts'
import { ClientResponse } from './response/client-response.ts'
import { responseHead, type TenantHeaders } from './response/response-headers.ts'
import type { RunningExchanges, Ticking } from './running-exchanges.ts'
import { type AttemptListener, TenantAttempt } from './tenant-attempt.ts'
import { tenantError } from './tenant-error.ts'

/**
 * One request to the tenant and its response to the client.
 *
 * Waits for a slot, renews a rejected access token once, repeats a request that met a stale connection once, and ends
 * with the client, the login or a time limit.
 */
export class Exchange implements AttemptListener, Ticking, QueuedRequest {
  index = 0
  readonly #proxied: ProxiedRequest
  readonly #running: RunningExchanges<Exchange>
  readonly #resolve: () => void
  readonly #reject: (error: unknown) => void
  #startedAt = 0
  #slot: LoginQueue | undefined
  #waits = false
  #attempt: TenantAttempt | undefined
  /** Resolves the promise of `#send` when the head of the response has arrived. */
  #resolveHead: ((attempt: TenantAttempt) => void) | undefined
  /** The head of a 401, held back while the token is renewed. */
  #rejected: { readonly status: number; readonly headers: TenantHeaders } | undefined
  #renewed = false
  #repeated = false
  #response: ClientResponse | undefined
  #lastDataAt = 0
  /** Counted as an event stream of the login. */
  #countsAsStream = false
  #isStream = false
  #stopWatchingLogin: (() => void) | undefined
  #ended = false

  private constructor(
    proxied: ProxiedRequest,
    running: RunningExchanges<Exchange>,
    resolve: () => void,
    reject: (error: unknown) => void,
  ) {
    this.#proxied = proxied
    this.#running = running
    this.#resolve = resolve
    this.#reject = reject
  }

  /**
   * @returns When the response has been sent or the client has left.
   * @throws The error to respond with; a response that has begun must be destroyed.
   */
  static run(proxied: ProxiedRequest, running: RunningExchanges<Exchange>): Promise<void> {
    return new Promise((resolve, reject) => new Exchange(proxied, running, resolve, reject).#run())
  }

  #run(): void {
    const { request, response, principal } = this.#proxied
    // Before the tenant carries out a request whose response could then not be sent.
    const { accept } = request.headers
    if (accept !== undefined && eventStream.test(accept)) this.#countStream()
    this.#running.add(this)
    this.#startedAt = this.#running.now
    response.once('close', () => this.#clientClosed())
    withAccessToken(principal.tokens, accessToken => this.#send(accessToken), {
      isRejected: () => this.#rejected !== undefined,
      discard: attempt => this.#discard(attempt),
    }).then(
      attempt => this.#acceptRejected(attempt),
      (error: unknown) => this.fail(error),
    )
  }

  #send(accessToken: string): Promise<TenantAttempt> {
    return new Promise(resolve => {
      if (this.#ended) return
      this.#resolveHead = resolve
      this.#attempt = new TenantAttempt(this.#proxied, accessToken, this)
      if (this.#slot !== undefined) return this.start()
      const { pool, limitKey } = this.#proxied
      this.#waits = true
      this.#slot = pool.queue.acquire(limitKey, this)
      // It may have started and failed during `acquire`.
      if (this.#ended) this.#release()
    })
  }

  start(): void {
    this.#waits = false
    this.#attempt?.start()
  }

  interim(status: number, { link = [] }: TenantHeaders): void {
    const { request, response, pool } = this.#proxied
    if (request.httpVersionMinor === 0 || response.headersSent) return
    if (status === 102) response.writeProcessing()
    if (status !== 103) return
    try {
      response.writeEarlyHints({ link: [link].flat().map(pool.links.link) })
    } catch {
      // Node accepts fewer forms of `Link` than RFC 8288, and a hint may be left out.
    }
  }

  head(attempt: TenantAttempt, status: number, headers: TenantHeaders): void {
    if (this.#isSuperseded()) return
    if (status === 401 && !this.#renewed) {
      this.#renewed = true
      if (!this.#proxied.hasBody) {
        attempt.pause()
        this.#rejected = { status, headers }
        this.#resolveHead?.(attempt)
        return
      }
      // The body cannot be sent again: this response stands, and the next request finds a new token.
      this.#proxied.principal.tokens.accessToken({ rejected: attempt.accessToken }).catch(() => {})
    }
    this.#resolveHead?.(attempt)
    this.#respond(attempt, status, headers)
  }

  /** The token source has no other token: the tenant's 401 is the response. */
  #acceptRejected(attempt: TenantAttempt): void {
    if (this.#rejected === undefined || this.#ended) return
    const { status, headers } = this.#rejected
    try {
      this.#respond(attempt, status, headers)
      attempt.resume()
    } catch (error) {
      this.fail(error)
    }
  }

  #discard(attempt: TenantAttempt): void {
    this.#rejected = undefined
    attempt.abort()
  }

  #respond(attempt: TenantAttempt, status: number, headers: TenantHeaders): void {
    const { path } = this.#proxied
    // Qlik's clients mistake a tenant that redirects product-info.json for Qlik Sense on Windows.
    if (path === productInfo && status >= 300 && status < 400 && status !== 304) {
      this.fail(httpError('ERR_NOT_FOUND', 'The tenant has no product information.'))
      return
    }
    const head = responseHead(headers, status, this.#proxied)
    const cookie = this.#proxied.principal.setCookie?.()
    if (cookie !== undefined) head.headers.push('set-cookie', cookie)
    if (head.isEventStream) this.#becomeStream()
    else if (this.#countsAsStream) this.#uncountStream()
    this.#lastDataAt = this.#running.now
    this.#response = new ClientResponse(this.#proxied, status, head, {
      resume: () => attempt.resume(),
      fail: error => this.fail(error instanceof Error ? tenantError(error) : error),
    })
    this.#response.start()
    if (this.#running.draining) this.#endStream()
  }

  /** An event stream may last for hours: it has a limit of its own and ends with the login. */
  #becomeStream(): void {
    if (!this.#countsAsStream) this.#countStream()
    this.#isStream = true
    this.#release()
    this.#watchLogin()
  }

  #countStream(): void {
    this.#proxied.pool.openStream(this.#proxied.limitKey)
    this.#countsAsStream = true
  }

  #uncountStream(): void {
    this.#countsAsStream = false
    this.#proxied.pool.closeStream(this.#proxied.limitKey)
  }

  data(chunk: Buffer): boolean {
    if (this.#isSuperseded()) return false
    const { measurement } = this.#proxied
    if (measurement !== undefined) measurement.responseBytes += chunk.length
    this.#lastDataAt = this.#running.now
    return this.#response?.data(chunk) !== false
  }

  end(trailers: TenantHeaders): void {
    if (this.#isSuperseded()) return
    this.#release()
    this.#response?.complete(trailers)
    this.#drainUpload()
  }

  failed(attempt: TenantAttempt, error: QlikOAuthError): void {
    if (this.#ended || this.#response?.ended === true) return
    if (error.code === 'ERR_TENANT_RESET' && attempt.metStaleConnection && this.#repeat(attempt)) return
    this.fail(error)
  }

  /**
   * The tenant may close an idle connection while a request is being written to it. A safe request is then sent once
   * more, within the rest of its time. RFC 9110, section 9.2.2.
   */
  #repeat(attempt: TenantAttempt): boolean {
    const { method, hasBody, settings } = this.#proxied
    const leftMs = settings.headersMs - attempt.ageMs
    if (this.#repeated || hasBody || !safe.has(method) || leftMs <= 0) return false
    this.#repeated = true
    this.#attempt = new TenantAttempt(this.#proxied, attempt.accessToken, this)
    this.#attempt.start(leftMs)
    return true
  }

  /** Called a few times a second while the exchange lasts. */
  tick(now: number): void {
    const { settings } = this.#proxied
    if (this.#waits && now - this.#startedAt > settings.headersMs) {
      this.fail(busy())
      return
    }
    if (this.#response?.awaitsTenant === true && !this.#isStream && now - this.#lastDataAt > settings.bodyMs) {
      this.fail(httpError('ERR_TENANT_BODY_TIMEOUT', 'The rest of the response did not arrive in time.'))
      return
    }
    if (now - this.#startedAt > watchLoginAfterMs) this.#watchLogin()
  }

  #watchLogin(): void {
    this.#stopWatchingLogin ??=
      this.#proxied.principal.onEnd?.(() => this.fail(httpError('ERR_SESSION_EXPIRED', 'Log in again.'))) ?? noop
  }

  /** Whether it waits for a slot: nothing has been sent to the tenant. */
  get waits(): boolean {
    return this.#waits
  }

  /** The server shuts down: the client must open a new connection for its next request. */
  drain(): void {
    const { response } = this.#proxied
    if (!response.headersSent) response.shouldKeepAlive = false
    this.#endStream()
  }

  /**
   * Ends an event stream of a GET, which would last for the whole grace: `EventSource` takes the end of the stream as
   * the request to connect again, here to another process. The stream of a POST, such as an answer that is being
   * generated, ends by itself.
   */
  #endStream(): void {
    if (!this.#isStream || this.#proxied.method !== 'GET') return
    this.#attempt?.abort()
    this.#response?.complete({})
  }

  /**
   * Ends the exchange because the server shuts down. A request that the tenant may have carried out gets no error: the
   * client would send it again.
   */
  destroy(): void {
    const { method, response } = this.#proxied
    if (this.#attempt?.mayHaveArrived !== true || safe.has(method)) {
      this.fail(httpError('ERR_CLOSING', 'Try again in a moment.'))
    } else abortResponse(response)
  }

  /** Ends the exchange if middleware in front of the proxy, such as a time limit, has responded in the meantime. */
  #isSuperseded(): boolean {
    if (!this.#proxied.response.headersSent || this.#response?.begun === true) return false
    this.#clientClosed()
    return true
  }

  fail(error: unknown): void {
    if (this.#ended || this.#isSuperseded()) return
    this.#finish()
    this.#reject(error)
  }

  #clientClosed(): void {
    if (this.#ended) return
    this.#finish()
    this.#resolve()
  }

  #finish(): void {
    this.#ended = true
    this.#attempt?.abort()
    this.#release()
    if (this.#countsAsStream) this.#uncountStream()
    this.#stopWatchingLogin?.()
    this.#running.delete(this)
  }

  #release(): void {
    if (this.#slot === undefined) return
    const slot = this.#slot
    this.#slot = undefined
    this.#waits = false
    this.#proxied.pool.queue.release(slot, this)
  }

  /**
   * After a response that came before the whole request, the rest of the request is discarded for a second; then the
   * connection ends.
   */
  #drainUpload(): void {
    const { request, hasBody } = this.#proxied
    if (!hasBody || request.complete) return
    const timer = setTimeout(() => request.complete || request.destroy(), lingerMs)
    request.once('close', () => clearTimeout(timer)).resume()
  }
}

const noop = (): void => {}
const safe: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
const eventStream = /text\/event-stream/i
const productInfo = '/resources/autogenerated/product-info.json'
const lingerMs = 1000
/** Most exchanges end sooner, and never query the login store for the end of their login. */
const watchLoginAfterMs = 400
