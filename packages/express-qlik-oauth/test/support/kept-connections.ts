import { createServer, type Socket } from 'node:net'
import { closing, listening } from './wire.ts'

/** One request, as a tenant saw it that keeps its connections. */
export interface KeptRequest {
  readonly head: string
  readonly socket: Socket
  /** Counted from 1, over all connections. */
  readonly connection: number
  /** Counted from 1 on its connection. */
  readonly nth: number
}

/** A tenant that keeps its connections, and responds by hand. */
export async function keptConnections(
  respond: (request: KeptRequest) => void,
): Promise<{ origin: string; requests: KeptRequest[] }> {
  const requests: KeptRequest[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer(socket => {
    connections += 1
    const connection = connections
    let nth = 0
    let text = ''
    sockets.add(socket)
    socket
      .on('error', () => {})
      .on('close', () => sockets.delete(socket))
      .on('data', chunk => {
        text += chunk.toString('latin1')
        for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
          const head = text.slice(0, end)
          const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0)
          if (text.length < end + 4 + length) return
          text = text.slice(end + 4 + length)
          nth += 1
          const request = { head, socket, connection, nth }
          requests.push(request)
          respond(request)
        }
      })
  })
  closing(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise(done => server.close(done))
  })
  return { ...(await listening(server)), requests }
}
