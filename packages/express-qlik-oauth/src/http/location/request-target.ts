import type { IncomingMessage } from 'node:http'

/** A request of Node or Express. Inside an Express router, `url` lacks the router's path and `originalUrl` has it. */
export type IncomingRequest = IncomingMessage & { readonly originalUrl?: string }

/** The target of a request as the client sent it. */
export function requestTarget({ originalUrl, url = '/' }: IncomingRequest): string {
  return typeof originalUrl === 'string' ? originalUrl : url
}

/** The query of a request, with its `?`; empty without one. */
export function queryOf(request: IncomingRequest): string {
  return new URL(requestTarget(request), 'http://app.invalid').search
}

/** The parameters in the query of a request. */
export function queryParameters(request: IncomingRequest): URLSearchParams {
  return new URLSearchParams(queryOf(request))
}
