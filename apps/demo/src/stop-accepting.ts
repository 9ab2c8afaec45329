import type { Server } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'

/**
 * Stops accepting connections. `closed` resolves when all have ended; after `graceMs` those that are left are closed.
 *
 * Closing resets the connections that wait in the kernel's queue. So the queue is shortened first, and everything in it
 * is accepted: further clients find it full, try again, and are then refused, so that none sends a request in vain.
 */
export async function stopAccepting(server: Server, graceMs: number): Promise<{ readonly closed: Promise<void> }> {
  if (!server.listening) return { closed: Promise.resolve() }
  shortenQueue(server)
  // Node accepts one connection per turn of the event loop.
  let hasAccepted = true
  server.on('connection', () => {
    hasAccepted = true
  })
  const latest = performance.now() + acceptMs
  while (hasAccepted && performance.now() < latest) {
    hasAccepted = false
    await nextTurn()
    await nextTurn()
  }
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  setTimeout(() => server.closeAllConnections(), graceMs).unref()
  return { closed }
}

const acceptMs = 500

/**
 * Calls `listen` of the operating system once more, which changes the length of the queue only. Node has no public
 * function for it; the test "resets no connection" fails without this.
 */
function shortenQueue(server: Server): void {
  const handle: unknown = Reflect.get(server, '_handle')
  if (typeof handle !== 'object' || handle === null) return
  const listen: unknown = Reflect.get(handle, 'listen')
  if (typeof listen === 'function') Reflect.apply(listen, handle, [0])
}
