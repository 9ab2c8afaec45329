import { once } from 'node:events'
import { type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2'
import { text } from 'node:stream/consumers'

export interface Http2Response {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** The body, as it arrives. */
  readonly stream: ClientHttp2Stream
  text(): Promise<string>
}

/** A browser that speaks HTTP/2 over TLS, with the cookies of one origin. */
export interface Http2Browser {
  get(path: string, headers?: Record<string, string>): Promise<Http2Response>
  post(path: string, body: string | Buffer, headers?: Record<string, string>): Promise<Http2Response>
  /** Lines of the last Set-Cookie headers. */
  readonly setCookies: readonly string[]
  /** The Cookie header. */
  cookie(): string
  close(): void
}

/** @param ca Certificate that the browser trusts. */
export async function http2Browser(origin: string, ca: string): Promise<Http2Browser> {
  const session = connect(origin, { ca, ALPNProtocols: ['h2'] })
  session.on('error', () => {})
  await once(session, 'connect')
  const cookies = new Map<string, string>()
  const setCookies: string[] = []
  const cookie = () => [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')

  async function send(method: string, path: string, headers: Record<string, string>, body?: string | Buffer) {
    const stream = session.request({ ':method': method, ':path': path, cookie: cookie(), ...headers })
    stream.end(body)
    const [received]: [IncomingHttpHeaders] = (await once(stream, 'response')) as [IncomingHttpHeaders]
    for (const line of received['set-cookie'] ?? []) {
      setCookies.push(line)
      const [pair = ''] = line.split(';', 1)
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
    }
    return { status: Number(received[':status']), headers: received, stream, text: () => text(stream) }
  }
  return {
    get: (path, headers = {}) => send('GET', path, headers),
    post: (path, body, headers = {}) => send('POST', path, { 'sec-fetch-site': 'same-origin', ...headers }, body),
    setCookies,
    cookie,
    close: () => session.destroy(),
  }
}
