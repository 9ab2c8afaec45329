import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'

export interface GracefulServer {
  readonly server: Server
  /**
   * Stops accepting connections, and resolves once the requests that had arrived are being served. `closed` resolves
   * when all connections have ended; those still open after `graceMs` are destroyed.
   */
  close(graceMs: number): Promise<{ readonly closed: Promise<void> }>
}

/** An HTTP server that completes the requests in progress before it closes. */
export function gracefulServer(handler: RequestListener): GracefulServer {
  const responses = new Set<ServerResponse>()
  let isClosing = false

  const server = createServer((request, response) => {
    responses.add(response)
    response.once('close', () => {
      responses.delete(response)
      // A response whose headers were sent before the close has left its connection open.
      if (isClosing) setImmediate(() => server.closeIdleConnections())
    })
    if (isClosing) response.shouldKeepAlive = false
    handler(request, response)
  })

  return {
    server,
    async close(graceMs) {
      if (!server.listening) return { closed: Promise.resolve() }
      isClosing = true
      // Becomes `Connection: close`, where the headers are not sent yet.
      for (const response of responses) response.shouldKeepAlive = false
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      setTimeout(() => server.closeAllConnections(), graceMs).unref()
      // Node reads sockets in turns: after two, the requests that had arrived have reached the handler.
      await nextTurn()
      await nextTurn()
      return { closed }
    },
  }
}
