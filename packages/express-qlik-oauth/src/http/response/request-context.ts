import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isObject } from 'qlik-oauth/internal'
import { traceIdOfParent } from './trace-context.ts'

/** The request that caused an event; an event that no request caused, such as an idle end, has none of these. */
export interface RequestContext {
  /** Address of the client, as `proxy.trustProxy` or Express's "trust proxy" determines it. */
  readonly address?: string
  /** Trace id of the request: from its `traceparent`, and the one in an error response. 32 hexadecimal digits. */
  readonly traceId?: string
  /**
   * The request, for what the application has put there, such as `request.id`. Not enumerable: its headers hold
   * cookies, which must not reach a log with the event.
   */
  readonly request?: IncomingMessage
}

/**
 * Adds the request to an event.
 *
 * @param address Address of the client; `undefined` when the connection is closed.
 */
export function withRequest<Event extends object>(
  event: Event,
  request: IncomingMessage,
  address: string | undefined,
): Event & RequestContext {
  const traceId = traceIdOf(request)
  const context = { ...event, ...(address === undefined ? {} : { address }), traceId }
  return Object.defineProperty(context, 'request', { value: request })
}

/** Whether a value is a request of Node's HTTP/1.1 or HTTP/2 server. */
export function isRequest(value: unknown): value is IncomingMessage {
  return isObject(value) && isObject(value.headers) && isObject(value.socket)
}

/** The trace id of a request, the same at each call. https://www.w3.org/TR/trace-context/#traceparent-header */
export function traceIdOf(request: IncomingMessage): string {
  const known = traceIds.get(request)
  if (known !== undefined) return known
  const traceId = traceIdOfParent(request.headers.traceparent) ?? newTraceId()
  traceIds.set(request, traceId)
  return traceId
}

const traceIds = new WeakMap<IncomingMessage, string>()

/** A trace id of 16 random bytes. */
export function newTraceId(): string {
  return randomBytes(16).toString('hex')
}
