import type { Readable } from 'node:stream'
import type { QlikOAuthError } from 'qlik-oauth'
import type { Dispatcher } from 'undici'
import { httpError } from '../http/response/error-response.ts'
import type { ProxiedRequest } from './proxied-request.ts'
import { requestHeaders } from './request-headers.ts'
import type { TenantHeaders } from './response/response-headers.ts'
import { PooledRequest } from './tenant-connection.ts'
import { tenantError } from './tenant-error.ts'
import { upload } from './upload.ts'

/** Receives the outcome of an attempt, unless it was aborted. */
export interface AttemptListener {
  interim(status: number, headers: TenantHeaders): void
  /** The head of the final response; `attempt.pause()` holds its body back. */
  head(attempt: TenantAttempt, status: number, headers: TenantHeaders): void
  /** @returns False to receive no more data until `attempt.resume()`. */
  data(chunk: Buffer): boolean
  end(trailers: TenantHeaders): void
  failed(attempt: TenantAttempt, error: QlikOAuthError): void
}

/** One request to the tenant, as undici's handler. */
export class TenantAttempt implements Dispatcher.DispatchHandler {
  readonly accessToken: string
  readonly #proxied: ProxiedRequest
  readonly #listener: AttemptListener
  #sent: PooledRequest | undefined
  #body: Readable | undefined
  #controller: Dispatcher.DispatchController | undefined
  #startedAt = 0
  #bytesBefore = 0
  #ended = false

  constructor(proxied: ProxiedRequest, accessToken: string, listener: AttemptListener) {
    this.#proxied = proxied
    this.accessToken = accessToken
    this.#listener = listener
  }

  /** @param headersMs Time for the head of the response. */
  start(headersMs = this.#proxied.settings.headersMs): void {
    const { request, method, target, hasBody, pool, settings, measurement } = this.#proxied
    if (hasBody) this.#body = upload(request, settings.clientMs, settings.bodyBytes, measurement)
    const headers = requestHeaders(request, this.accessToken, hasBody)
    this.#sent = new PooledRequest(method, target, headers, this.#body ?? null, headersMs)
    pool.dispatcher.dispatch(this.#sent, this)
  }

  /** Whether a reused connection ended without a byte of a response to this request. */
  get metStaleConnection(): boolean {
    if (this.#controller === undefined || this.#sent === undefined) return false
    const { requests, socket } = this.#sent.connection
    return requests > 1 && socket?.bytesRead === this.#bytesBefore
  }

  /**
   * Whether the tenant may have received the request. undici writes the head together with the first bytes of the body,
   * which a client may never send.
   */
  get mayHaveArrived(): boolean {
    return (
      this.#controller !== undefined &&
      (this.#body === undefined || this.#body.readableDidRead || this.#body.readableEnded)
    )
  }

  /** Milliseconds since the request was written. */
  get ageMs(): number {
    return Math.ceil(performance.now() - this.#startedAt)
  }

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
  }

  /** Ends the request at the tenant. */
  abort(): void {
    if (this.#ended) return
    this.#ended = true
    this.#controller?.abort(aborted)
    this.#body?.destroy()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.#startedAt = performance.now()
    if (this.#sent !== undefined) {
      const { connection } = this.#sent
      connection.requests += 1
      this.#bytesBefore = connection.socket?.bytesRead ?? 0
    }
    if (this.#ended) controller.abort(aborted)
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: TenantHeaders): void {
    if (this.#ended) return
    if (status < 200) this.#listener.interim(status, headers)
    else this.#listener.head(this, status, headers)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#ended && !this.#listener.data(chunk)) controller.pause()
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: TenantHeaders): void {
    if (this.#ended) return
    if (this.#sent?.connection.broken === true) {
      this.onResponseError(_controller, httpError('ERR_TENANT_RESET', 'The connection failed during the response.'))
      return
    }
    this.#ended = true
    this.#listener.end(trailers)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#listener.failed(this, tenantError(error))
  }
}

const aborted = new Error('The exchange has ended')
