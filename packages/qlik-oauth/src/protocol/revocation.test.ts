import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from '@jest/globals'
import { internalsOf, type QlikClient, qlikClient } from './client.ts'
import { clientSecretBasic } from './client-authentication.ts'
import { revokeToken, revokeTokens } from './revocation.ts'

const tokens = { accessToken: 'secret-access', refreshToken: 'secret-refresh', issuedAt: 0, expiresAt: 1 }
let server: Server
let client: QlikClient

afterEach(async () => {
  await client.close()
  server.closeAllConnections()
  server.close()
})

/** A tenant whose revocation endpoint responds with a status; `undefined` for a tenant that never responds. */
async function startTenant(
  status: number | undefined,
): Promise<{ path: string; authorization?: string; body: string }[]> {
  const received: { path: string; authorization?: string; body: string }[] = []
  server = createServer(async (request: IncomingMessage, response) => {
    if (status === undefined) return
    const { url = '', headers } = request
    const body = Buffer.concat(await request.toArray()).toString()
    if (request.method === 'POST') received.push({ path: url, authorization: headers.authorization ?? '', body })
    response.writeHead(request.method === 'POST' ? status : 404).end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  client = qlikClient({
    tenant: `http://127.0.0.1:${port}`,
    clientId: 'web',
    authentication: clientSecretBasic('hush'),
  })
  return received
}

describe('revoking the tokens of a login', () => {
  it('sends each token with its hint and authenticates the client', async () => {
    const received = await startTenant(200)
    const failures: string[] = []
    await revokeTokens(client, tokens, message => failures.push(message))
    expect(failures).toEqual([])
    expect(received.map(({ body }) => Object.fromEntries(new URLSearchParams(body)))).toEqual(
      expect.arrayContaining([
        { token: 'secret-refresh', token_type_hint: 'refresh_token', client_id: 'web' },
        { token: 'secret-access', token_type_hint: 'access_token', client_id: 'web' },
      ]),
    )
    for (const { path, authorization } of received)
      expect([path, authorization]).toEqual(['/oauth/revoke', `Basic ${btoa('web:hush')}`])
  })

  it('gives up on a tenant that does not even return its metadata', async () => {
    await startTenant(undefined)
    const failures: string[] = []
    const startedAt = performance.now()
    await revokeTokens(client, tokens, message => failures.push(message))
    // The client's own limit is 20 s.
    expect(performance.now() - startedAt).toBeLessThan(6000)
    expect(failures).toHaveLength(2)
    expect(failures.join()).toContain('no response within 3000 ms')
    expect(failures.join()).not.toContain('secret')
  }, 20_000)

  it('reports an error response without the token', async () => {
    await startTenant(503)
    const failures: string[] = []
    await revokeTokens(client, tokens, message => failures.push(message))
    expect(failures).toHaveLength(2)
    expect(failures.join()).toContain('returned 503')
    expect(failures.join()).not.toContain('secret')
  })

  it('ends with the signal of its caller while the metadata is requested, without ending the request of others', async () => {
    await startTenant(undefined)
    const controller = new AbortController()
    const revoked = revokeToken(client, 'secret', 'access_token', { signal: controller.signal })
    const others = internalsOf(client).metadata()
    controller.abort(new Error('cancelled'))
    await expect(revoked).rejects.toThrow('cancelled')
    await client.close()
    await expect(others).rejects.toMatchObject({ code: 'ERR_CLOSING' })
  })
})
