import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A line on which everything that is sent arrives late, as if the server were far away. */
export interface DelayProxy {
  readonly port: number
  /** How often something was sent after everything sent before had its reply. */
  roundTrips(): number
  close(): void
}

export async function startDelayProxy(port: number, delayMs: number): Promise<DelayProxy> {
  const sockets = new Set<Socket>()
  let roundTrips = 0
  const server = createServer(near => {
    const far = connect(port, '127.0.0.1')
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => other.destroy())
    }
    let replied = true
    near.on('data', chunk => {
      if (replied) roundTrips += 1
      replied = false
      setTimeout(() => far.write(chunk), delayMs)
    })
    far.on('data', () => (replied = true)).pipe(near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    roundTrips: () => roundTrips,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
