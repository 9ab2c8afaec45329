import type { Duplex } from 'node:stream'

/**
 * A socket may fail at any moment, also between two that wait for it, and an error that nobody listens to ends the
 * process.
 */
export function surviveErrors(socket: Duplex): void {
  if (!socket.listeners('error').includes(ignore)) socket.on('error', ignore)
}

// Not a closure: it stays as long as the socket, and would keep in memory all that the function around it knows.
const ignore = (): void => {}
