import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import {
  authorizeUrl,
  bearer,
  call,
  callback,
  codeGrant,
  errorCode,
  logIn,
  post,
  requestCode,
} from '../../test/support/client.ts'
import { createTenant, type SimulatedTenant } from '../index.ts'

let tenant: SimulatedTenant
beforeAll(async () => {
  tenant = await createTenant()
})
afterAll(() => tenant.close())

const returned = async (url: string, user = 'ada', options = {}) =>
  Object.fromEntries(new URL(await tenant.authorize(url, user, options)).searchParams)

describe('the authorization endpoint', () => {
  it.each([
    ['an unknown client', { client_id: 'nobody' }, 'OAUTH-14'],
    ['no client', { client_id: undefined }, 'OAUTH-14'],
    ['an organization client', { client_id: 'demo-organization' }, 'OAUTH-14'],
    ['no redirect URI', { redirect_uri: undefined }, 'OAUTH-1'],
    ['a redirect URI with something appended', { redirect_uri: `${callback}/` }, 'OAUTH-1'],
    ['a redirect URI with different letter case', { redirect_uri: callback.replace('auth', 'Auth') }, 'OAUTH-1'],
    ['another port of a web client', { redirect_uri: callback.replace('3000', '3001') }, 'OAUTH-1'],
  ])('responds with 400 and no redirect to %s', async (_case, changes, code) => {
    const response = await call(authorizeUrl(tenant, changes))
    expect([response.status, errorCode(response), response.headers.get('location')]).toEqual([400, code, null])
    expect(response.body.errors).toEqual([expect.objectContaining({ status: '400', title: expect.any(String) })])
  })

  it.each([
    ['no PKCE', { code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
    ['plain PKCE', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['a short challenge', { code_challenge: 'abc' }, 'invalid_request'],
    ['another response type', { response_type: 'token' }, 'unsupported_response_type'],
    ['no scope', { scope: undefined }, 'invalid_scope|invalid_request'],
    ['openid', { scope: 'openid user_default' }, 'invalid_scope'],
    ['scopes of other clients', { scope: 'admin_classic' }, 'invalid_scope'],
    ['a malformed scope', { scope: 'a"b' }, 'invalid_scope'],
    ['an unknown prompt', { prompt: 'maybe' }, 'invalid_request'],
    ['prompt=none before any login', { prompt: 'none' }, 'login_required'],
    ['a non-numeric max_age', { max_age: 'soon' }, 'invalid_request'],
  ])('redirects to the client with an error for %s', async (_case, changes, error) => {
    const parameters = await returned(authorizeUrl(tenant, changes))
    expect(parameters).toMatchObject({
      error: expect.stringMatching(new RegExp(`^(${error})$`)),
      error_code: expect.stringMatching(/^OAUTH-\d+$/),
    })
    expect(parameters.state).toBe('a-state')
  })

  it('requires state, and rejects repeated parameters', async () => {
    expect(await returned(authorizeUrl(tenant, { state: undefined }))).toMatchObject({ error: 'invalid_request' })
    expect(await returned(`${authorizeUrl(tenant)}&state=other`)).toMatchObject({ error: 'invalid_request' })
    expect(errorCode(await call(`${authorizeUrl(tenant)}&redirect_uri=https://evil.example`))).toBe('OAUTH-1')
  })

  it('accepts any port of a native client’s loopback address', async () => {
    const native = (redirect_uri: string) => authorizeUrl(tenant, { client_id: 'demo-native', redirect_uri })
    expect(await returned(native('http://127.0.0.1:50123/callback'))).toHaveProperty('code')
    expect(await returned(native('http://[::1]:50123/callback'))).toHaveProperty('code')
    for (const other of [
      'http://localhost:50123/callback',
      'http://127.0.0.1:50123/other',
      'http://127.0.0.1.evil.example/callback',
      'http://a@127.0.0.1:1/callback',
    ]) {
      expect(errorCode(await call(native(other)))).toBe('OAUTH-1')
    }
  })
})

describe('login and consent', () => {
  it('are remembered per browser', async () => {
    const jar = new Map<string, string>()
    expect(await returned(authorizeUrl(tenant), 'ben', { jar })).toHaveProperty('code')
    expect(await returned(authorizeUrl(tenant, { prompt: 'none' }), '', { jar })).toHaveProperty('code')
    expect(await (await fetch(authorizeUrl(tenant, { prompt: 'login' }), { headers: cookies(jar) })).text()).toContain(
      'Log in',
    )
    expect(
      await (await fetch(authorizeUrl(tenant, { prompt: 'consent' }), { headers: cookies(jar) })).text(),
    ).toContain('Demo web application wants to access')
    await call(`${tenant.origin}/logout`, { headers: cookies(jar) })
    expect(await returned(authorizeUrl(tenant, { prompt: 'none' }), '', { jar })).toMatchObject({
      error: 'login_required',
    })
  })

  it.each(['login', 'select_account'])('let the user choose again with prompt=%s', async prompt => {
    const jar = new Map<string, string>()
    await returned(authorizeUrl(tenant), 'ada', { jar })
    const { code = '' } = await returned(authorizeUrl(tenant, { prompt }), 'ben', { jar })
    const tokens = await post(`${tenant.origin}/oauth/token`, codeGrant(code))
    const { body } = await call(`${tenant.origin}/api/v1/users/ben`, { headers: bearer(tokens.body) })
    expect(body).toMatchObject({ id: 'ben' })
  })

  it('are left behind by the logout page, which returns to applications only', async () => {
    const logOut = async (returnto: string) => {
      const response = await fetch(`${tenant.origin}/logout?returnto=${encodeURIComponent(returnto)}`, {
        redirect: 'manual',
      })
      return [response.status, response.headers.get('location'), response.headers.get('set-cookie')?.split('; ').at(-1)]
    }
    const home = new URL('/goodbye?from=qlik', callback).href
    expect(await logOut(home)).toEqual([302, home, 'Max-Age=0'])
    for (const other of [
      'https://evil.example/',
      '//evil.example',
      'javascript:alert(1)',
      'http://localhost:3000.evil.example/',
    ])
      expect(await logOut(other)).toEqual([200, null, 'Max-Age=0'])
  })

  it('work in two tabs at the same time', async () => {
    const jar = new Map<string, string>()
    const open = async () => {
      const response = await fetch(authorizeUrl(tenant), { headers: cookies(jar) })
      for (const line of response.headers.getSetCookie())
        jar.set(line.split('=')[0] ?? '', line.split(';')[0]?.split('=')[1] ?? '')
      return formFields(await response.text())
    }
    const [first, second] = [await open(), await open()]
    for (const form of [second, first]) {
      const response = await fetch(`${tenant.origin}/login`, {
        method: 'POST',
        redirect: 'manual',
        body: new URLSearchParams({ ...form, user: 'cleo' }),
        headers: cookies(jar),
      })
      expect(response.status).toBe(303)
      for (const line of response.headers.getSetCookie())
        jar.set(line.split('=')[0] ?? '', line.split(';')[0]?.split('=')[1] ?? '')
    }
  })

  it('grant only the scopes that the user allows', async () => {
    const code = await requestCode(tenant, 'cleo', {}, { consent: ['user_default'] })
    const { body } = await post(`${tenant.origin}/oauth/token`, codeGrant(code))
    expect(body).toMatchObject({ scope: 'user_default' })
    expect(body).not.toHaveProperty('refresh_token')
    expect(await returned(authorizeUrl(tenant), 'tess', { consent: false })).toMatchObject({
      error: 'access_denied',
      state: 'a-state',
    })
  })

  it('reject a disabled user', async () => {
    await expect(tenant.authorize(authorizeUrl(tenant), 'dan')).rejects.toThrow(/403.*disabled/s)
  })

  it('reject a form that was issued to another browser', async () => {
    const html = await (await fetch(authorizeUrl(tenant))).text()
    const other = await fetch(authorizeUrl(tenant))
    const form = new URLSearchParams({ ...formFields(html), user: 'ada' })
    const forged = (cookie: string) => post(`${tenant.origin}/login`, form, cookie === '' ? {} : { cookie })
    expect((await forged('')).status).toBe(400)
    expect((await forged(other.headers.getSetCookie()[0]?.split(';')[0] ?? '')).status).toBe(403)
  })

  it('use pages that load nothing and cannot be framed', async () => {
    const response = await fetch(authorizeUrl(tenant))
    expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
    expect(await response.text()).not.toMatch(/<script|https?:\/\//)
  })
})

describe('scope', () => {
  it('is the requested scope the client allows; all allowed scopes but offline_access by default', async () => {
    expect((await logIn(tenant, 'ada', 'user_default admin_classic')).scope).toBe('user_default')
    const all = await logIn(tenant, 'ada', '')
    expect(all.scope).toBe('user_default')
    expect((await call(`${tenant.origin}/api/v1/users/ada`, { headers: bearer(all) })).status).toBe(200)
  })
})

function formFields(html: string): Record<string, string> {
  return Object.fromEntries(
    [...html.matchAll(/type="hidden" name="(\w+)" value="([^"]+)"/g)].map(([, name = '', value = '']) => [name, value]),
  )
}

function cookies(jar: ReadonlyMap<string, string>): { cookie: string } {
  return { cookie: [...jar].map(pair => pair.join('=')).join('; ') }
}
