import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { memoryLoginStore } from '../stores/memory-login-store.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import { oauthClients } from './oauth-clients.ts'
import { regionClient } from './region-client.ts'
import { type TenantApiRequest, tenantApi } from './tenant-api.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

let server: Server
let origin: string
let handle: Handler
let received: string[]
let rejected: (string | undefined)[]
let tokens: TokenSource

beforeEach(async () => {
  received = []
  rejected = []
  server = createServer((request, response) => {
    received.push(`${request.method} ${request.url} ${request.headers.authorization}`)
    handle(request, response)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  tokens = {
    tenant: origin,
    async accessToken(options = {}) {
      rejected.push(options.rejected)
      return options.rejected === undefined ? 'old' : 'new'
    },
  }
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
})

const json = (response: ServerResponse, status: number, body: unknown, headers = {}) =>
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))

describe('the REST API of a tenant', () => {
  it('renews a rejected token once and sends the request once more, with its body', async () => {
    const api = tenantApi({ tokens })
    handle = (_request, response) => json(response, 401, { errors: [{ code: 'HTTP-401', title: 'Unauthorized' }] })
    const request: TenantApiRequest = { method: 'POST', path: '/api/v1/spaces', json: { name: 'Sales' } }
    await expect(api.request(request)).rejects.toMatchObject({ code: 'ERR_TENANT_REFUSED', responseStatus: 401 })
    expect(received).toEqual(['POST /api/v1/spaces Bearer old', 'POST /api/v1/spaces Bearer new'])
    expect(rejected).toEqual([undefined, 'old'])
    await api.close()
  })

  it('follows redirects of GET on its host only, three at most', async () => {
    const api = tenantApi({ tokens })
    handle = ({ url = '' }, response) => {
      const step = Number(new URL(url, origin).searchParams.get('step'))
      json(response, 302, {}, { location: `/api/v1/items?step=${step + 1}` })
    }
    await expect(api.request({ path: '/api/v1/items?step=0' })).rejects.toMatchObject({ code: 'ERR_TENANT_RESPONSE' })
    expect(received).toHaveLength(4)

    for (const location of ['https://evil.example/', '//evil.example/', `${origin}.evil.example/`, 'http://[']) {
      received = []
      handle = (_request, response) => json(response, 302, {}, { location })
      await expect(api.request({ path: '/api/v1/items' })).rejects.toMatchObject({ code: 'ERR_TENANT_RESPONSE' })
      expect(received).toHaveLength(1)
    }
    await api.close()
  })

  it('does not follow the redirect of a POST', async () => {
    const api = tenantApi({ tokens })
    handle = (_request, response) => json(response, 307, {}, { location: '/api/v1/other' })
    await expect(api.request({ method: 'POST', path: '/api/v1/spaces', json: {} })).rejects.toMatchObject({
      code: 'ERR_TENANT_RESPONSE',
    })
    expect(received).toHaveLength(1)
    await api.close()
  })

  it('reports Retry-After as a date', async () => {
    const api = tenantApi({ tokens })
    const headers = { 'retry-after': 'Thu, 01 Jan 2026 12:00:45 GMT', date: 'Thu, 01 Jan 2026 12:00:00 GMT' }
    handle = (_request, response) => json(response, 429, {}, headers)
    await expect(api.request({ path: '/api/v1/items' })).rejects.toMatchObject({ retryAfterSeconds: 45 })
    await api.close()
  })

  it('does not read a page of a list twice', async () => {
    const api = tenantApi({ tokens })
    handle = (_request, response) => json(response, 200, { data: [{}], links: { next: { href: '/api/v1/items' } } })
    const entries: unknown[] = []
    const read = async () => {
      for await (const entry of api.list('/api/v1/items')) entries.push(entry)
    }
    await expect(read()).rejects.toMatchObject({ code: 'ERR_TENANT_RESPONSE' })
    expect(entries).toHaveLength(1)
    await api.close()
  })

  it.each(['api/v1', '//evil.example/', '/a b', '/a\\b', '/a#b', '/a\r\nx: y', 7, undefined])(
    'refuses the path %j without sending a token',
    async path => {
      const api = tenantApi({ tokens })
      await expect(api.request({ path: path as string })).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' })
      expect([received, rejected]).toEqual([[], []])
      await api.close()
    },
  )
})

describe('close', () => {
  /** Sends a request, closes while it waits for the response, and returns how it failed. */
  async function closeDuringRequest(send: () => Promise<unknown>, close: () => Promise<void>): Promise<unknown> {
    const arrived = new Promise<void>(resolve => {
      handle = () => resolve()
    })
    const failure = send().catch((error: unknown) => error)
    await arrived
    await close()
    return await failure
  }
  const connections = () =>
    new Promise<number>((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    )

  it('ends the connections of a tenant API', async () => {
    const api = tenantApi({ tokens })
    const failure = await closeDuringRequest(() => api.request({ path: '/api/v1/items' }), api.close)
    expect(failure).toMatchObject({ code: 'ERR_CLOSING' })
    await expect(api.request({ path: '/api/v1/items' })).rejects.toMatchObject({ code: 'ERR_CLOSING' })
  })

  it('ends the connections of the OAuth clients', async () => {
    const clients = oauthClients({ tokens })
    const failure = await closeDuringRequest(() => clients.read('web'), clients.close)
    expect(failure).toMatchObject({ code: 'ERR_CLOSING' })
  })

  it('ends the connections of a region client, to the token endpoint and to the API', async () => {
    const region = regionClient({
      region: 'eu',
      clientId: 'region',
      clientSecret: 'hush',
      store: memoryLoginStore(),
      registerOrigin: origin,
    })
    handle = ({ url }, response) =>
      url === '/oauth/token'
        ? json(response, 200, { access_token: 'token', token_type: 'bearer', expires_in: 3600 })
        : json(response, 404, {})
    await region.tokens.accessToken()
    const failure = await closeDuringRequest(() => region.deactivateTenant('one'), region.close)
    expect(failure).toMatchObject({ code: 'ERR_CLOSING' })
    while ((await connections()) > 0) await new Promise(resolve => setImmediate(resolve))
  })
})

describe('the options of the tenant room', () => {
  it.each<[string, () => unknown]>([
    ['tenantApi has no option token. Did you mean tokens?', () => tenantApi({ token: tokens } as never)],
    ['tokens must be a token source', () => tenantApi({ tokens: 'token' } as never)],
    ['tokens.tenant must be the origin', () => tenantApi({ tokens: { ...tokens, tenant: 'acme' } })],
    ['timeoutMs must be a whole number', () => tenantApi({ tokens, timeoutMs: 0 })],
    ['tenantApi has no option client', () => oauthClients({ tokens, client: {} } as never)],
    ['regionClient has no option tenant', () => regionClient({ tenant: origin } as never)],
    ['region must be a region of Qlik Cloud', () => regionClient({ region: 'eu.evil.example/' } as never)],
  ])('are checked at once: %s', (message, call) => {
    expect(call).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION', message: expect.stringContaining(message) }),
    )
  })
})
