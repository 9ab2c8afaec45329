import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, connect, createServer, type Server as NetServer, type Socket } from 'node:net'

/** One response, as a raw client saw it. */
export interface WireResponse {
  readonly status: number
  /** Names in lower case; values of repeated headers are joined. */
  readonly headers: Readonly<Record<string, string>>
  /** As it came, chunks and all. */
  readonly raw: string
  /** Without the framing. */
  readonly body: string
  /** False when the connection ended before the response was complete. */
  readonly complete: boolean
}

const opened: { close(): Promise<void> }[] = []

/** Closes all servers and sockets that were opened here. */
export async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map(one => one.close()))
}

export function closing(close: () => Promise<void>): void {
  opened.push({ close })
}

/** A tenant, or an application, that speaks HTTP. */
export async function httpServer(listener: RequestListener): Promise<{ port: number; origin: string; server: Server }> {
  const server = createHttpServer(listener)
  closing(async () => {
    server.closeAllConnections()
    await new Promise(done => server.close(done))
  })
  return { ...(await listening(server)), server }
}

/** A tenant that may say anything. */
export async function rawServer(
  listener: (socket: Socket, head: string) => void,
): Promise<{ port: number; origin: string; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    let head = ''
    const read = (chunk: Buffer): void => {
      head += chunk.toString('latin1')
      if (!head.includes('\r\n\r\n')) return
      socket.off('data', read)
      listener(socket, head)
    }
    socket.on('data', read)
  })
  closing(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise(done => server.close(done))
  })
  return { ...(await listening(server)), sockets }
}

/** Opens a connection and writes the bytes as they are. */
export function open(port: number, bytes = ''): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(bytes, 'latin1')
  closing(async () => void socket.destroy())
  return socket
}

/** Sends bytes and reads until the other side closes. */
export async function send(port: number, bytes: string): Promise<WireResponse> {
  return responseOf(await read(open(port, bytes)))
}

/** Sends a well-formed request and reads the whole response. */
export async function get(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = 'GET',
  body = '',
): Promise<WireResponse> {
  const lines = Object.entries({ host: 'app.example', connection: 'close', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  return send(port, `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
}

export async function read(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1')
}

/** Waits until the text has come. */
export async function until(socket: Socket, text: string): Promise<string> {
  let seen = ''
  while (!seen.includes(text)) {
    const [chunk] = await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => [undefined])])
    if (chunk === undefined) throw new Error(`The connection ended before ${JSON.stringify(text)} came: ${seen}`)
    seen += (chunk as Buffer).toString('latin1')
  }
  return seen
}

export function responseOf(text: string): WireResponse {
  // Interim responses come before the final one.
  const final = text.replace(/^(?:HTTP\/1\.1 1\d\d [\s\S]*?\r\n\r\n)+/, '')
  const split = final.indexOf('\r\n\r\n')
  const [start = '', ...lines] = final.slice(0, split).split('\r\n')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const name = line.slice(0, line.indexOf(':')).toLowerCase()
    const value = line.slice(line.indexOf(':') + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  const raw = final.slice(split + 4)
  const { body, complete } = unframed(raw, headers)
  return { status: Number(start.split(' ')[1] ?? 0), headers, raw, body, complete: split !== -1 && complete }
}

function unframed(raw: string, headers: Readonly<Record<string, string>>): { body: string; complete: boolean } {
  if (headers['transfer-encoding'] !== 'chunked') {
    const length = Number(headers['content-length'] ?? raw.length)
    return { body: raw, complete: raw.length === length }
  }
  let body = ''
  for (let at = 0; at < raw.length; ) {
    const line = raw.indexOf('\r\n', at)
    const size = Number.parseInt(raw.slice(at, line), 16)
    if (line === -1 || Number.isNaN(size)) return { body, complete: false }
    if (size === 0) return { body, complete: raw.endsWith('\r\n\r\n') || raw.slice(line) === '\r\n\r\n' }
    body += raw.slice(line + 2, line + 2 + size)
    at = line + 2 + size + 2
  }
  return { body, complete: false }
}

export async function listening(server: NetServer): Promise<{ port: number; origin: string }> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { port, origin: `http://127.0.0.1:${port}` }
}
