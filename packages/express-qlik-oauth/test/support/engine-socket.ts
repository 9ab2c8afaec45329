import { once } from 'node:events'
import { WebSocket } from 'ws'

/** A socket to the engine below `/qlik`, as @qlik/api opens it. */
export interface EngineSocket {
  /** Calls a method of the engine. @returns Its result, or the error of JSON-RPC */
  call(
    handle: number,
    method: string,
    params?: unknown[],
  ): Promise<{ result?: Record<string, unknown>; error?: unknown }>
  /** The close code, once it is closed. */
  readonly closed: Promise<number>
  close(): void
}

/**
 * @param ca Certificate to trust, for https.
 * @throws Error with the status of a refused upgrade
 */
export async function engineSocket(
  origin: string,
  appId: string,
  headers: Record<string, string> = {},
  ca?: string,
): Promise<EngineSocket> {
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/qlik/app/${appId}`, {
    headers: { origin: new URL(origin).origin, ...headers },
    ...(ca === undefined ? {} : { ca }),
  })
  const closed = once(socket, 'close').then(([code]) => Number(code))
  closed.catch(() => {})
  const refused = once(socket, 'unexpected-response').then(([request, response]) => {
    request.destroy()
    throw new Error(`The upgrade got ${response.statusCode}`)
  })
  await Promise.race([once(socket, 'message'), refused, closed])
  let id = 0
  return {
    closed,
    async call(handle, method, params = []) {
      id += 1
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, handle, method, params }))
      for (;;) {
        const [data] = await once(socket, 'message')
        const message = JSON.parse(String(data))
        if (message.id === id) return message
      }
    },
    close: () => socket.close(),
  }
}
