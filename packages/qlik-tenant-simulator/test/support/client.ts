import { createHash, randomBytes } from 'node:crypto'
import type { AuthorizeOptions, SimulatedTenant } from '../../src/index.ts'

/** The OAuth and REST client of this package's tests. Every field of a request can be set to an invalid value. */

export const verifier = randomBytes(32).toString('base64url')
export const callback = 'http://localhost:3000/auth/callback'
export const webClient = { client_id: 'demo-web', client_secret: 'demo-web-secret' }

/** A response with its parsed body. */
export interface TestResponse {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

export interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
  readonly [name: string]: unknown
}

/** A valid authorization request with changed parameters; undefined removes a parameter. */
export function authorizeUrl(tenant: SimulatedTenant, changes: Record<string, string | undefined> = {}): string {
  const url = new URL('/oauth/authorize', tenant.origin)
  const parameters = {
    client_id: 'demo-web',
    redirect_uri: callback,
    response_type: 'code',
    scope: 'user_default offline_access',
    state: 'a-state',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...changes,
  }
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) url.searchParams.set(name, value)
  return url.href
}

/** Requests an authorization code: logs in and gives consent. */
export async function requestCode(
  tenant: SimulatedTenant,
  userId = 'ada',
  changes: Record<string, string | undefined> = {},
  options: AuthorizeOptions = {},
): Promise<string> {
  const location = new URL(await tenant.authorize(authorizeUrl(tenant, changes), userId, options))
  const code = location.searchParams.get('code')
  if (code === null) throw new Error(`No code in ${location}`)
  return code
}

/** A valid token request with a code, with changed parameters. */
export function codeGrant(code: string, changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    grant_type: 'authorization_code',
    code,
    redirect_uri: callback,
    code_verifier: verifier,
    ...webClient,
    ...changes,
  }
}

/** Logs in with the client `demo-web` and gives consent. */
export async function logIn(
  tenant: SimulatedTenant,
  userId: string,
  scope = 'user_default offline_access',
): Promise<Tokens> {
  const response = await post(`${tenant.origin}/oauth/token`, codeGrant(await requestCode(tenant, userId, { scope })))
  if (response.status !== 200) throw new Error(JSON.stringify(response.body))
  return response.body as unknown as Tokens
}

/** Sends a form or JSON. */
export async function post(
  url: string,
  body: Record<string, unknown> | URLSearchParams,
  headers: Record<string, string> = {},
): Promise<TestResponse> {
  const isForm = body instanceof URLSearchParams
  return call(url, {
    method: 'POST',
    headers: { ...(isForm ? {} : { 'content-type': 'application/json' }), ...headers },
    body: isForm ? body : JSON.stringify(body),
  })
}

/** Sends a request without following redirects. */
export async function call(url: string, init: RequestInit = {}): Promise<TestResponse> {
  const response = await fetch(url, { redirect: 'manual', ...init })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: (text.startsWith('{') ? JSON.parse(text) : { text }) as Record<string, unknown>,
  }
}

/** The Authorization header of an access token. */
export function bearer(tokens: { readonly access_token?: unknown }): { authorization: string } {
  return { authorization: `Bearer ${String(tokens.access_token)}` }
}

/** Code of the first error in a response. */
export function errorCode(response: TestResponse): string | undefined {
  const [first] = (response.body.errors ?? []) as { code: string }[]
  return first?.code
}
