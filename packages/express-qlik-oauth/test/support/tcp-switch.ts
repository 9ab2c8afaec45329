import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'

/** A balancer that sends new connections to one process; open ones stay where they are. */
export interface TcpSwitch {
  readonly origin: string
  /** Where new connections go. */
  target: string
  close(): Promise<void>
}

export async function tcpSwitch(): Promise<TcpSwitch> {
  const server = createServer({ allowHalfOpen: true }, client => {
    const upstream = connect({ port: Number(new URL(self.target).port), host: '127.0.0.1', allowHalfOpen: true })
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const)
      from.on('error', () => to.destroy()).pipe(to)
    self.sockets.add(client.on('close', () => self.sockets.delete(client)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const self = {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    target: '',
    sockets: new Set<{ destroy(): unknown }>(),
    async close() {
      for (const socket of self.sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
  return self
}
