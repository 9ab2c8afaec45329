import type { IncomingMessage, ServerResponse } from 'node:http'
import { requestTarget } from '../http/location/request-target.ts'
import { hasClosed } from '../http/response/response-end.ts'
import type { RestProxyEvent } from './rest-proxy-options.ts'

/** A request to the REST proxy that has ended, however it ended: for access logs and metrics. Contains no secret. */
export interface ProxiedEvent {
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** The status that was sent; missing when the client left before. */
  readonly status?: number
  /** Code of the error when the proxy refused the request or could not complete it. */
  readonly code?: string
  /** Bytes of the request body that were read. */
  readonly requestBytes: number
  /** Bytes of the response body that the tenant sent. */
  readonly responseBytes: number
  /** From the arrival of the request to the end of the response. */
  readonly durationMs: number
  /** `id` of the principal. */
  readonly login?: string
  /** `user` of the principal. */
  readonly user?: string
  /** Whether the client left, or its connection ended, before the response was complete. */
  readonly aborted: boolean
}

/** Receives what happens to requests, apart from the option `onEvent`. */
export interface RestProxyObserver {
  /** Called for every request that was refused or failed. */
  failed(event: RestProxyEvent, request: IncomingMessage): void
  /** Whether `ended` has listeners: asked once per request, so that nothing is measured in vain. */
  watchesEnds(): boolean
  ended(event: ProxiedEvent, request: IncomingMessage): void
}

/** Measures one request. */
export class RequestMeasurement {
  readonly #startedAt = performance.now()
  requestBytes = 0
  responseBytes = 0
  code: string | undefined
  login: string | undefined
  user: string | undefined

  /** Reports the request when its response has ended. */
  reportTo(observer: RestProxyObserver, request: IncomingMessage, response: ServerResponse): void {
    const report = (): void => observer.ended(this.#event(request, response), request)
    if (response.closed || hasClosed(response)) report()
    else response.once('close', report)
  }

  #event(request: IncomingMessage, response: ServerResponse): ProxiedEvent {
    const { code, login, user, requestBytes, responseBytes } = this
    const [path = ''] = requestTarget(request).split('?', 1)
    return {
      method: request.method ?? 'GET',
      path,
      ...(response.headersSent ? { status: response.statusCode } : {}),
      ...(code === undefined ? {} : { code }),
      requestBytes,
      responseBytes,
      durationMs: performance.now() - this.#startedAt,
      ...(login === undefined ? {} : { login }),
      ...(user === undefined ? {} : { user }),
      aborted: !response.writableFinished,
    }
  }
}
