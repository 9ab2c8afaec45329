import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Finds a port of 127.0.0.1 that nothing listens on.
 *
 * The port lies below the range from which the system takes ports for outgoing connections: one of those would
 * otherwise occupy it between this call and the start of the server, or while the server restarts. Another test may
 * still take it, so a caller that starts a server tries again with another port.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest))
    const server = createServer()
    const free = once(server, 'listening').then(
      () => true,
      () => false,
    )
    server.listen(port, '127.0.0.1')
    if (!(await free)) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

/** A node of a Redis Cluster also takes the port 10000 above its own. */
const lowest = 11_000
const highest = 22_000
