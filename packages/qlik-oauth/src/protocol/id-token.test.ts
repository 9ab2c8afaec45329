import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { type QlikClient, qlikClient } from './client.ts'
import { authorizationCodeGrant } from './grants.ts'
import { requestTokens } from './token-endpoint.ts'

type Key = Awaited<ReturnType<typeof generateKeyPair>>['privateKey']

let server: Server
let client: QlikClient
let keys: { readonly own: Key; readonly other: Key; readonly ownJwk: JWK }
let idToken: string
let now: number

beforeAll(async () => {
  const [own, other] = await Promise.all([generateKeyPair('ES384', { extractable: true }), generateKeyPair('ES384')])
  keys = { own: own.privateKey, other: other.privateKey, ownJwk: { ...(await exportJWK(own.publicKey)), kid: 'one' } }
  server = createServer((request, response) => {
    const body =
      request.url === '/oauth/token'
        ? { access_token: 'access', token_type: 'bearer', expires_in: 60, id_token: idToken }
        : request.url === '/.well-known/jwks.json'
          ? { keys: [{ ...keys.ownJwk, alg: 'ES384', use: 'sig' }] }
          : undefined
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body ?? {}))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  client = qlikClient({ tenant: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, clientId: 'web' })
})
afterAll(async () => {
  await client.close()
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  now = Math.floor(Date.now() / 1000)
})

const claims = (): JWTPayload => ({ iss: client.tenant, aud: 'web', sub: 'ann', iat: now, exp: now + 60 })

function signed(changed: JWTPayload = {}, key = keys.own, header = { alg: 'ES384', kid: 'one' }): Promise<string> {
  return new SignJWT({ ...claims(), ...changed }).setProtectedHeader(header).sign(key)
}

const request = () => requestTokens(client, authorizationCodeGrant('code', 'https://app.example/callback', 'verifier'))

describe('an ID token, which is not requested,', () => {
  it('is ignored when the tenant signed it for this client', async () => {
    idToken = await signed()
    expect(await request()).toEqual(expect.objectContaining({ accessToken: 'access' }))
    expect(await request()).not.toHaveProperty('idToken')
  })

  it.each<[string, () => Promise<string>]>([
    ['is for another client', () => signed({ aud: 'other' })],
    ['is of another issuer', () => signed({ iss: 'https://evil.example' })],
    ['has expired', () => signed({ exp: now - 600, iat: now - 1200 })],
    ['is not valid yet', () => signed({ nbf: now + 600 })],
    ['has no subject', () => signed({ sub: undefined as never })],
    ['is signed with another key', () => signed({}, keys.other)],
    ['names an unknown key', () => signed({}, keys.own, { alg: 'ES384', kid: 'two' })],
    ['has no signature', async () => new UnsecuredJWT(claims()).encode()],
    [
      'is signed with the public key as a secret',
      () =>
        new SignJWT(claims())
          .setProtectedHeader({ alg: 'HS256', kid: 'one' })
          .sign(Buffer.from(JSON.stringify(keys.ownJwk))),
    ],
    [
      'was changed',
      async () => {
        const [header, , signature] = (await signed()).split('.')
        const payload = Buffer.from(JSON.stringify({ ...claims(), sub: 'eve' })).toString('base64url')
        return [header, payload, signature].join('.')
      },
    ],
    ['is no JWT', async () => 'id-token'],
  ])('makes the response invalid when it %s', async (_what, create) => {
    idToken = await create()
    const error = await request().catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'ERR_TOKEN_RESPONSE' })
    expect(String(error)).not.toContain(idToken)
  })
})
