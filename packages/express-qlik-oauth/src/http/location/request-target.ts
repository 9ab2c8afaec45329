import type { IncomingMessage } from 'node:http'

/** A request of Node or Express. Inside an Express router, `url` lacks the router's path and `originalUrl` has it. */
export type IncomingRequest = IncomingMessage & { readonly originalUrl?: string }

/** The target of a request as the client sent it. */
export function requestTarget({ originalUrl, url = '/' }: IncomingRequest): string {
  return typeof originalUrl === 'string' ? originalUrl : url
}
