import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import {
  anonymousTokens,
  impersonatedTokens,
  machineTokens,
  memoryLoginStore,
  type QlikClient,
  qlikClient,
  type TokenSource,
} from 'qlik-oauth'
import { WebSocket } from 'ws'
import { type QlikProxy, qlikProxy } from '../../src/index.ts'

let tenant: Server
let application: Server
let qlik: QlikProxy
let origin: string
let tokenRequests: number
let close: () => Promise<void>

/** Every kind of token source whose tokens belong to no login. */
const sources: readonly [kind: string, make: (client: QlikClient) => TokenSource][] = [
  ['of a machine', client => machineTokens({ client, store: memoryLoginStore() })],
  ['of an impersonated user', client => impersonatedTokens({ client, store: memoryLoginStore() })({ userId: 'ada' })],
  ['of anonymous visitors', client => anonymousTokens({ client, store: memoryLoginStore(), accessCode: 'open' })],
]

async function start(source: (client: QlikClient) => TokenSource): Promise<void> {
  tokenRequests = 0
  tenant = createServer((request, response) => {
    if (request.url?.startsWith('/oauth/token') === true) {
      const tokens = { access_token: `token-${++tokenRequests}`, token_type: 'bearer', expires_in: 3600 }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(tokens))
    } else {
      request.resume()
      response.writeHead(request.url?.startsWith('/.well-known/') ? 404 : 401).end()
    }
  })
  tenant.on('upgrade', (_request, socket) =>
    socket.end('HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'),
  )
  const client = qlikClient({ tenant: await listen(tenant), clientId: 'machine', clientSecret: 'hush' })
  const tokens = source(client)

  application = createServer()
  origin = await listen(application)
  qlik = qlikProxy({ publicUrl: origin, authenticate: async () => ({ tokens, onEnd: () => () => {} }) })
  application.on(
    'request',
    qlik.handler((_request, response) => void response.end()),
  )
  qlik.attach(application)
  close = async () => {
    await qlik.close()
    await client.close()
  }
}
afterEach(async () => {
  await close()
  for (const server of [application, tenant]) {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
})

async function listen(server: Server): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return `http://localhost:${(server.address() as AddressInfo).port}`
}

/** One token at first, and one that replaces it when it is rejected. */
const bound = 2

describe.each(sources)('a tenant that rejects every token %s', (_kind, source) => {
  beforeEach(() => start(source))

  it('gets two token requests for a flood of GETs', async () => {
    const status = async () => (await fetch(`${origin}/qlik/api/v1/items`)).status
    for (let round = 0; round < 10; round++)
      expect(new Set(await Promise.all(Array.from({ length: 10 }, status)))).toEqual(new Set([401]))
    expect(tokenRequests).toBe(bound)
  })

  it('gets two token requests for a flood of POSTs', async () => {
    const init = { method: 'POST', body: '{}', headers: { 'sec-fetch-site': 'same-origin' } }
    for (let request = 0; request < 50; request++) {
      const response = await fetch(`${origin}/qlik/api/v1/items`, init)
      expect(response.status).toBe(401)
    }
    expect(tokenRequests).toBe(bound)
  })

  it('gets two token requests for a flood of upgrades', async () => {
    for (let request = 0; request < 50; request++) {
      const socket = new WebSocket(`${origin.replace('http', 'ws')}/qlik/app/one`, { origin })
      const [error] = await once(socket, 'error').catch(cause => [cause])
      expect(String(error)).toContain('401')
    }
    expect(tokenRequests).toBe(bound)
  })
})
