import type { IncomingMessage, Server, ServerResponse } from 'node:http'

/**
 * Warns once when a balancer keeps connections open for longer than the server does: the server may close one while the
 * balancer sends the next request, which then gets 502.
 *
 * @param servers Servers of the application.
 * @returns A function to call for requests until one shows a balancer.
 */
export function keepAliveCheck(
  servers: () => Iterable<Server>,
  warn: (message: string, request: IncomingMessage) => void,
): (request: IncomingMessage, response: ServerResponse) => void {
  let checked = false
  return (request, response) => {
    if (checked || request.headers['x-forwarded-for'] === undefined || !response.shouldKeepAlive) return
    checked = true
    for (const { keepAliveTimeout } of servers()) {
      if (keepAliveTimeout === 0 || keepAliveTimeout > nodeDefaultMs) continue
      warn(
        `A balancer keeps its connections open, but the server closes them after ${keepAliveTimeout / 1000} seconds: some requests get 502. Set server.keepAliveTimeout above the idle timeout of the balancer, such as 65_000.`,
        request,
      )
    }
  }
}

const nodeDefaultMs = 5000
