import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { decodeJwt, decodeProtectedHeader, exportJWK, SignJWT } from 'jose'
import {
  bearer,
  call,
  codeGrant,
  errorCode,
  logIn,
  post,
  requestCode,
  type TestResponse,
  type Tokens,
  verifier,
  webClient,
} from '../../test/support/client.ts'
import { createTenant, type SimulatedTenant } from '../index.ts'

let tenant: SimulatedTenant
let time = Date.now()
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
beforeAll(async () => {
  tenant = await createTenant({ now: () => time, maxTokensPerUser: 50 })
  tenant.registerClient({
    clientId: 'key-client',
    appType: 'web',
    allowedScopes: ['user_default'],
    allowedGrantTypes: ['client_credentials'],
    allowedAuthMethods: ['private_key_jwt'],
    publicKeys: [{ ...(await exportJWK(publicKey)), kid: 'key-1', use: 'sig' }],
  })
})
afterAll(() => tenant.close())

const token = (body: Record<string, unknown> | URLSearchParams, headers: Record<string, string> = {}) =>
  post(`${tenant.origin}/oauth/token`, body, headers)
const users = async (tokens: { access_token?: unknown }) =>
  (await call(`${tenant.origin}/api/v1/users/me`, { headers: bearer(tokens) })).status
const refresh = (refresh_token: unknown, more: Record<string, unknown> = webClient) =>
  token({ grant_type: 'refresh_token', refresh_token, ...more })
const outcome = (response: TestResponse) => [response.status, errorCode(response)]

describe('the authorization code grant', () => {
  it.each([
    ['no verifier', { code_verifier: undefined }, [400, 'OAUTH-901']],
    ['a short verifier', { code_verifier: 'abc' }, [400, 'OAUTH-901']],
    ['another verifier', { code_verifier: 'x'.repeat(43) }, [401, 'OAUTH-905']],
    ['another redirect URI', { redirect_uri: 'http://127.0.0.1:3000/auth/callback' }, [401, 'OAUTH-905']],
    ['another client', { client_id: 'demo-m2m', client_secret: 'demo-m2m-secret' }, [401, 'OAUTH-905']],
    ['no client id', { client_id: undefined }, [400, 'OAUTH-901']],
    ['no secret', { client_secret: undefined }, [401, 'OAUTH-22']],
    ['a wrong secret', { client_secret: 'demo-web-secreT' }, [401, 'OAUTH-22']],
    ['a numeric code', { code: 5 }, [400, 'OAUTH-901']],
    ['an unknown grant', { grant_type: 'password' }, [400, 'OAUTH-902']],
    ['a grant named like a member of Object', { grant_type: 'constructor' }, [400, 'OAUTH-902']],
  ])('rejects %s', async (_case, changes, expected) => {
    expect(outcome(await token(codeGrant(await requestCode(tenant), changes)))).toEqual(expected)
  })

  it('redeems a code once, and revokes its tokens on reuse', async () => {
    const code = await requestCode(tenant)
    const [first, second] = await Promise.all([token(codeGrant(code)), token(codeGrant(code))])
    expect([first.status, second.status].sort()).toEqual([200, 401])
    const tokens = first.status === 200 ? first.body : second.body
    await token(codeGrant(code))
    expect(await users(tokens)).toBe(401)
    expect((await refresh(tokens.refresh_token)).status).toBe(401)
  })

  it('rejects a code older than a minute', async () => {
    const code = await requestCode(tenant)
    time += 61_000
    expect(outcome(await token(codeGrant(code)))).toEqual([401, 'OAUTH-905'])
  })

  it('accepts forms and JSON, and secrets in Basic credentials and in the body', async () => {
    const { client_secret, ...rest } = codeGrant(await requestCode(tenant)) as Record<string, string>
    const form = new URLSearchParams(rest)
    const basic = { authorization: `Basic ${Buffer.from(`demo-web:${client_secret}`).toString('base64')}` }
    expect((await token(form, basic)).status).toBe(200)
    expect((await token(codeGrant(await requestCode(tenant)), basic)).status).toBe(400)
    expect((await token(new URLSearchParams([...form, ['code', 'twice']]), basic)).status).toBe(400)
    expect((await post(`${tenant.origin}/oauth/token`, {}, { 'content-type': 'text/plain' })).status).toBe(415)
    expect((await call(`${tenant.origin}/oauth/token`)).status).toBe(405)
  })

  it('issues ES384 tokens without user claims', async () => {
    const { access_token } = await logIn(tenant, 'ada')
    expect(decodeProtectedHeader(access_token)).toMatchObject({ alg: 'ES384', kid: expect.any(String) })
    expect(Object.keys(decodeJwt(access_token)).sort()).toEqual([
      'aud',
      'exp',
      'iat',
      'iss',
      'jti',
      'purpose',
      'subType',
    ])
  })
})

describe('the refresh grant', () => {
  it('rotates refresh tokens, and revokes all tokens of the login on reuse', async () => {
    const first = await logIn(tenant, 'ada')
    const second = await refresh(first.refresh_token)
    expect(second.status).toBe(200)
    expect(await users(first)).toBe(302)
    expect(outcome(await refresh(first.refresh_token))).toEqual([401, 'OAUTH-906'])
    expect(outcome(await refresh(second.body.refresh_token))).toEqual([401, 'OAUTH-906'])
    expect([await users(first), await users(second.body)]).toEqual([401, 401])
  })

  it('requires the secret of the client that the token was issued to, but no client id', async () => {
    const { refresh_token } = await logIn(tenant, 'ada')
    expect(outcome(await refresh(refresh_token, {}))).toEqual([401, 'OAUTH-22'])
    expect(outcome(await refresh(refresh_token, { client_id: 'demo-m2m', client_secret: 'demo-m2m-secret' }))).toEqual([
      401,
      'OAUTH-906',
    ])
    expect((await refresh(refresh_token, { client_secret: 'demo-web-secret' })).status).toBe(200)
  })

  it('narrows the scope but never widens it, and rejects tokens older than 30 days', async () => {
    const tokens = await logIn(tenant, 'ada')
    expect(outcome(await refresh(tokens.refresh_token, { ...webClient, scope: 'user_default admin_classic' }))).toEqual(
      [400, 'OAUTH-904'],
    )
    const other = await logIn(tenant, 'ada')
    time += 2_592_000_000
    expect(outcome(await refresh(other.refresh_token))).toEqual([401, 'OAUTH-906'])
  })

  it('rejects disabled users and users with too many tokens', async () => {
    const eve = { id: 'eve', name: 'Eve', email: 'eve@example.com', subject: 'idp|eve' }
    tenant.registerUser(eve)
    const tokens: Tokens = await logIn(tenant, 'eve')
    tenant.registerUser({ ...eve, status: 'disabled' })
    expect(outcome(await refresh(tokens.refresh_token))).toEqual([403, 'OAUTH-911'])
    expect(await users(tokens)).toBe(403)
    const m2m = { grant_type: 'client_credentials', client_id: 'demo-m2m', client_secret: 'demo-m2m-secret' }
    for (let count = 0; count < 50; count++) expect((await token(m2m)).status).toBe(200)
    expect(outcome(await token(m2m))).toEqual([403, 'OAUTH-912'])
    time += 21_600_000
    expect((await token(m2m)).status).toBe(200)
  })
})

describe('machine clients', () => {
  const lookup = (user_lookup: unknown) =>
    token({
      grant_type: 'urn:qlik:oauth:user-impersonation',
      client_id: 'demo-impersonation',
      client_secret: 'demo-impersonation-secret',
      user_lookup,
    })

  it('act as their bot user', async () => {
    const { body } = await token({
      grant_type: 'client_credentials',
      client_id: 'demo-m2m',
      client_secret: 'demo-m2m-secret',
      scope: 'user_default',
    })
    expect(body).not.toHaveProperty('refresh_token')
    const me = await call(`${tenant.origin}/api/v1/users/me`, { headers: bearer(body), redirect: 'follow' })
    expect(me.body).toMatchObject({ clientId: 'demo-m2m', subject: 'qlikbot\\demo-m2m' })
    expect(outcome(await token({ grant_type: 'client_credentials', ...webClient }))).toEqual([400, 'OAUTH-903'])
  })

  it('impersonate existing, active users only', async () => {
    expect((await lookup({ field: 'subject', value: 'idp|ben' })).status).toBe(200)
    expect((await lookup({ field: 'userId', value: 'ben' })).status).toBe(200)
    expect(outcome(await lookup({ field: 'userId', value: 'dan' }))).toEqual([403, 'OAUTH-911'])
    expect(outcome(await lookup({ field: 'userId', value: 'nobody' }))).toEqual([401, 'OAUTH-909'])
    expect(outcome(await lookup({ field: 'email', value: 'ben@example.com' }))).toEqual([400, 'OAUTH-901'])
  })

  it.each([
    ['client_credentials', 'demo-m2m', {}],
    ['urn:qlik:oauth:user-impersonation', 'demo-impersonation', { user_lookup: { field: 'userId', value: 'ben' } }],
  ])('reject an Origin that is not allowed: %s', async (grant_type, client_id, more) => {
    const body = { grant_type, client_id, client_secret: `${client_id}-secret`, ...more }
    expect(outcome(await token(body, { origin: 'https://evil.example' }))).toEqual([400, 'OAUTH-29'])
    expect((await token(body)).status).toBe(200)
  })

  it('get tokens at the hosts of their tier only', async () => {
    const region = { grant_type: 'client_credentials', client_id: 'demo-region', client_secret: 'demo-region-secret' }
    expect((await post(`${tenant.regionOrigin}/oauth/token`, region)).status).toBe(200)
    expect((await token(region)).status).toBe(200)
    const m2m = { grant_type: 'client_credentials', client_id: 'demo-m2m', client_secret: 'demo-m2m-secret' }
    expect(outcome(await post(`${tenant.regionOrigin}/oauth/token`, m2m))).toEqual([400, 'OAUTH-14'])
    const organization = {
      grant_type: 'client_credentials',
      client_id: 'demo-organization',
      client_secret: 'demo-organization-secret',
    }
    expect((await post(`${tenant.organizationOrigin}/oauth/token`, organization)).status).toBe(200)
    expect(outcome(await token(organization))).toEqual([400, 'OAUTH-14'])
  })
})

describe('private_key_jwt', () => {
  const assertion = (claims: Record<string, unknown> = {}, header: Record<string, string> = {}) => {
    const now = Math.floor(time / 1000)
    const all = {
      iss: 'key-client',
      sub: 'key-client',
      aud: `${tenant.origin}/oauth/token`,
      jti: randomUUID(),
      iat: now,
      exp: now + 300,
      ...claims,
    }
    return new SignJWT(all).setProtectedHeader({ alg: 'ES384', kid: 'key-1', ...header }).sign(privateKey)
  }
  const send = (client_assertion: string) =>
    token({
      grant_type: 'client_credentials',
      client_id: 'key-client',
      client_assertion,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    })

  it('is accepted once', async () => {
    const one = await assertion()
    expect((await send(one)).status).toBe(200)
    expect(outcome(await send(one))).toEqual([401, 'OAUTH-908'])
  })

  it.each([
    ['a slash after the audience', () => assertion({ aud: `${tenant.origin}/oauth/token/` })],
    ['a lifetime above 5 minutes', () => assertion({ exp: Math.floor(time / 1000) + 301 })],
    [
      'an expiry in the past',
      () => assertion({ iat: Math.floor(time / 1000) - 200, exp: Math.floor(time / 1000) - 1 }),
    ],
    ['no jti', () => assertion({ jti: undefined })],
    ['another subject', () => assertion({ sub: 'demo-web' })],
    ['an unknown key', () => assertion({}, { kid: 'key-2' })],
    ['a malformed assertion', async () => 'a.b.c'],
  ])('is rejected with %s', async (_case, make) => {
    expect(outcome(await send(await make()))).toEqual([401, 'OAUTH-908'])
  })
})

describe('tokens for web pages', () => {
  const exchange = (subject: Tokens, more: Record<string, unknown> = {}, headers: Record<string, string> = {}) =>
    token(
      {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        client_id: 'demo-web',
        subject_token: subject.access_token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        purpose: 'websocket',
        ...more,
      },
      headers,
    )

  it('are exchanged for one purpose and not accepted as bearer tokens', async () => {
    const tokens = await logIn(tenant, 'ada')
    const { body, status } = await exchange(tokens)
    expect(status).toBe(200)
    expect(body).toHaveProperty('issued_token_type')
    expect(await users(body)).toBe(401)
    expect((await exchange(tokens, { purpose: 'fun' })).status).toBe(400)
    expect(outcome(await exchange(tokens, { client_id: 'demo-native' }))).toEqual([401, 'OAUTH-907'])
    expect(outcome(await exchange(tokens, {}, { origin: 'https://evil.example' }))).toEqual([400, 'OAUTH-29'])
  })

  it('are issued to single-page clients from allowed origins only', async () => {
    const redirect_uri = 'http://localhost:3000/spa/callback'
    const grant = async () =>
      codeGrant(await requestCode(tenant, 'ada', { client_id: 'demo-spa', redirect_uri, scope: 'user_default' }), {
        client_id: 'demo-spa',
        client_secret: undefined,
        redirect_uri,
        code_verifier: verifier,
      })
    expect(outcome(await token(await grant()))).toEqual([400, 'OAUTH-29'])
    const response = await token(await grant(), { origin: 'http://localhost:3000' })
    expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([
      200,
      'http://localhost:3000',
    ])
    expect(await users(response.body)).toBe(302)
    const foreign = await call(`${tenant.origin}/api/v1/users/me`, {
      headers: { ...bearer(response.body), origin: 'https://evil.example' },
    })
    expect(outcome(foreign)).toEqual([403, 'OAUTH-29'])
  })

  it('are issued to guests with an access code', async () => {
    const request = (eac: string, tracking_code = 'a'.repeat(40)) =>
      post(`${tenant.origin}/oauth/token/anonymous-embed`, {
        eac,
        client_id: 'demo-anonymous',
        grant_type: 'urn:qlik:oauth:anonymous-embed',
        tracking_code,
      })
    expect((await request('demo-access-code')).status).toBe(200)
    expect(outcome(await request('guess'))).toEqual([401, 'OAUTH-910'])
    expect((await request('demo-access-code', 'short')).status).toBe(400)
  })
})

describe('revocation', () => {
  it('of a refresh token revokes the login; unknown tokens get the same response', async () => {
    const tokens = await logIn(tenant, 'ada')
    const revoke = (value: string, more = {}) => post(`${tenant.origin}/oauth/revoke`, { token: value, ...more })
    expect((await revoke(tokens.refresh_token, { client_id: 'demo-web', client_secret: 'wrong' })).status).toBe(401)
    expect((await revoke(tokens.refresh_token)).status).toBe(200)
    expect(await users(tokens)).toBe(401)
    expect((await revoke('unknown')).status).toBe(200)
    expect((await revoke('')).status).toBe(400)
  })
})
