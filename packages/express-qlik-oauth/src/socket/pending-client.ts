import type { Duplex } from 'node:stream'
import { ignoreErrors } from '../http/http-server.ts'

export interface PendingClient {
  /** Stops watching. @returns What the browser sent meanwhile. */
  release(): Buffer
}

/**
 * Watches the browser's socket during the handshake with the tenant.
 *
 * Reading is the only way to notice that the browser has left. Browsers send nothing before the handshake is complete,
 * so the buffer is small: beyond it the socket is paused.
 *
 * @param head What came with the upgrade request.
 */
export function watchPendingClient(socket: Duplex, head: Buffer, onLeft: () => void): PendingClient {
  const chunks = [head]
  let size = head.length
  const buffer = (chunk: Buffer): void => {
    chunks.push(chunk)
    size += chunk.length
    if (size > maxEarlyBytes) socket.pause()
  }
  ignoreErrors(socket)
  socket.on('data', buffer).on('end', onLeft).on('close', onLeft)
  // A socket that is destroyed already may emit nothing more.
  if (socket.destroyed) onLeft()

  return {
    release() {
      socket.off('data', buffer).off('end', onLeft).off('close', onLeft)
      return Buffer.concat(chunks)
    },
  }
}

const maxEarlyBytes = 16_384
