import type { Duplex } from 'node:stream'
import { surviveErrors } from './survive-errors.ts'

export interface PendingClient {
  /** Stops waiting. @returns What the browser sent meanwhile. */
  take(): Buffer
}

/**
 * Watches the browser's socket while the tenant is being asked.
 *
 * It must be read, or nobody would notice that the browser left. A browser sends nothing before the handshake is done,
 * so little is kept: of whoever sends more nothing is read any more until then.
 */
export function pendingClient(socket: Duplex, head: Buffer, onLeft: () => void): PendingClient {
  const early = [head]
  let size = head.length
  const keep = (chunk: Buffer): void => {
    early.push(chunk)
    size += chunk.length
    if (size > maxEarlyBytes) socket.pause()
  }
  surviveErrors(socket)
  socket.on('data', keep).on('end', onLeft).on('close', onLeft)
  // One that is gone already says nothing any more.
  if (socket.destroyed) onLeft()

  return {
    take() {
      socket.off('data', keep).off('end', onLeft).off('close', onLeft)
      return Buffer.concat(early)
    },
  }
}

const maxEarlyBytes = 16_384
