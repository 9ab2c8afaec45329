import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface TokenRequest {
  readonly path: string
  readonly contentType: string
  readonly authorization: string | undefined
  readonly parameters: Record<string, unknown>
}

export interface TokenEndpointResponse {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body?: unknown
}

export interface TokenEndpoint {
  readonly origin: string
  readonly requests: readonly TokenRequest[]
  /** Sets the responses from now on; `undefined` means new tokens. */
  respond(
    next: (request: TokenRequest) => TokenEndpointResponse | undefined | Promise<TokenEndpointResponse | undefined>,
  ): void
  /** Resolves at the next token request. */
  nextRequest(): Promise<TokenRequest>
  close(): Promise<void>
}

/** A host with a token endpoint only. By default it issues `token-1`, `token-2`, … with a lifetime of an hour. */
export async function startTokenEndpoint(): Promise<TokenEndpoint> {
  const requests: TokenRequest[] = []
  const waiting: ((request: TokenRequest) => void)[] = []
  let decide: Parameters<TokenEndpoint['respond']>[0] = () => undefined

  const server = createServer(async (request, response) => {
    if (request.method !== 'POST') {
      response.writeHead(404).end()
      return
    }
    const received = await tokenRequest(request)
    const number = requests.push(received)
    for (const resolve of waiting.splice(0)) resolve(received)
    const { status = 200, headers = {}, body } = (await decide(received)) ?? {}
    const tokens = { access_token: `token-${number}`, token_type: 'bearer', expires_in: 3600 }
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(typeof body === 'string' ? body : JSON.stringify(body ?? tokens))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo

  return {
    origin: `http://127.0.0.1:${port}`,
    requests,
    respond(next) {
      decide = next
    },
    nextRequest: () => new Promise(resolve => waiting.push(resolve)),
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

async function tokenRequest(request: IncomingMessage): Promise<TokenRequest> {
  const text = Buffer.concat(await request.toArray()).toString()
  const contentType = request.headers['content-type'] ?? ''
  return {
    path: request.url ?? '',
    contentType,
    authorization: request.headers.authorization,
    parameters: contentType.startsWith('application/json')
      ? JSON.parse(text)
      : Object.fromEntries(new URLSearchParams(text)),
  }
}
