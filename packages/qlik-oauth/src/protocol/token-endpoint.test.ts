import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { startTokenEndpoint, type TokenEndpoint } from '../../test/support/token-endpoint.ts'
import { type QlikClient, qlikClient } from './client.ts'
import { authorizationCodeGrant, clientCredentialsGrant } from './grants.ts'
import { requestTokens } from './token-endpoint.ts'

let endpoint: TokenEndpoint
let client: QlikClient

beforeEach(async () => {
  endpoint = await startTokenEndpoint()
  client = qlikClient({ tenant: endpoint.origin, clientId: 'web', clientSecret: 'hush' })
})
afterEach(async () => {
  await client.close()
  await endpoint.close()
})

const request = () => requestTokens(client, authorizationCodeGrant('code', 'https://app.example/callback', 'verifier'))
const issued = { access_token: 'token', token_type: 'Bearer', expires_in: 3600 }

describe('a token request', () => {
  it('carries every parameter of a grant, also of one that this package does not know', async () => {
    await requestTokens(client, {
      grant_type: 'urn:example:grant',
      level: 3,
      fresh: true,
      name: 'a b+c',
      none: undefined,
    })
    expect(endpoint.requests[0]).toMatchObject({
      contentType: 'application/x-www-form-urlencoded;charset=UTF-8',
      parameters: { grant_type: 'urn:example:grant', level: '3', fresh: 'true', name: 'a b+c', client_id: 'web' },
    })
    expect(endpoint.requests[0]?.parameters).not.toHaveProperty('none')
  })

  it('is not sent to an endpoint on another host', async () => {
    const sent = requestTokens(client, clientCredentialsGrant(), { endpoint: 'https://evil.example/oauth/token' })
    await expect(sent).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' })
    expect(endpoint.requests).toHaveLength(0)
  })
})

describe('a token response', () => {
  it.each(['', null, undefined])('with the refresh token %j has none', async refresh_token => {
    endpoint.respond(() => ({ body: { ...issued, refresh_token } }))
    expect(await request()).not.toHaveProperty('refreshToken')
  })

  it.each(['', null, undefined])('with the scope %j names none', async scope => {
    endpoint.respond(() => ({ body: { ...issued, scope, refresh_token: 'refresh' } }))
    const tokens = await request()
    expect(tokens).not.toHaveProperty('scope')
    expect(tokens).toMatchObject({ accessToken: 'token', refreshToken: 'refresh' })
  })

  it.each([
    { id_token: null },
    { id_token: '' },
    { expires_at: null, auth_time: null },
    { token_type: 'BEARER' },
    { token_type: 'bearer', example_parameter: { nested: [1] }, issued_token_type: '' },
    { expires_in: '3600' },
    { expires_in: 3600.5 },
  ])('with %j is accepted', async fields => {
    endpoint.respond(() => ({ body: { ...issued, ...fields } }))
    const { accessToken, issuedAt, expiresAt } = await request()
    expect([accessToken, Math.floor((expiresAt - issuedAt) / 1000)]).toEqual(['token', 3600])
  })

  it.each([{ expires_in: '' }, { expires_in: null }, { expires_in: -1 }, { expires_in: 'soon' }, { expires_in: [60] }])(
    'with %j has the default lifetime',
    async lifetime => {
      endpoint.respond(() => ({ body: { ...issued, ...lifetime } }))
      const { issuedAt, expiresAt } = await request()
      expect(expiresAt - issuedAt).toBe(300_000)
    },
  )

  it.each<[string, unknown]>([
    ['an empty access token', { ...issued, access_token: '' }],
    ['no access token', { token_type: 'Bearer' }],
    ['null as access token', { ...issued, access_token: null }],
    ['another token type', { ...issued, token_type: 'mac' }],
    ['the token type DPoP', { ...issued, token_type: 'DPoP' }],
    ['no token type', { ...issued, token_type: null }],
    ['a scope that is no string', { ...issued, scope: ['a'] }],
    ['an ID token that is no JWT', { ...issued, id_token: 'x' }],
    ['a list', [issued]],
    ['HTML', '<h1>Proxy</h1>'],
    ['nothing', ''],
    ['a refresh token that is no string', { ...issued, refresh_token: 7 }],
    ['2 MiB', JSON.stringify({ ...issued, padding: 'x'.repeat(2 * 1024 * 1024) })],
  ])('with %s is refused without repeating a token', async (_what, body) => {
    endpoint.respond(() => ({ body }))
    const error = await request().catch((error: unknown) => error)
    expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_(TOKEN_RESPONSE|TENANT_UNREACHABLE)$/) })
    expect(String(error)).not.toContain('token,')
  })
})

describe('a token endpoint that is unavailable', () => {
  it.each([429, 500, 502, 503])('with %d reports Retry-After in seconds', async status => {
    endpoint.respond(() => ({ status, headers: { 'retry-after': '7' } }))
    await expect(request()).rejects.toMatchObject({ code: 'ERR_TOKEN_UNAVAILABLE', retryAfterSeconds: 7 })
  })

  it('reports Retry-After as a date', async () => {
    const headers = { 'retry-after': 'Thu, 01 Jan 2026 12:00:45 GMT', date: 'Thu, 01 Jan 2026 12:00:00 GMT' }
    endpoint.respond(() => ({ status: 503, headers }))
    await expect(request()).rejects.toMatchObject({ code: 'ERR_TOKEN_UNAVAILABLE', retryAfterSeconds: 45 })
  })

  it('is not asked again by itself', async () => {
    endpoint.respond(() => ({ status: 503 }))
    await expect(requestTokens(client, clientCredentialsGrant())).rejects.toMatchObject({ status: 503 })
    expect(endpoint.requests).toHaveLength(1)
  })
})
