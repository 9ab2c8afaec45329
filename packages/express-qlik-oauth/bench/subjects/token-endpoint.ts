/**
 * The dynamic part of the tenant: authorizes every request, issues single-use refresh tokens, accepts every socket.
 * Prints its port.
 *
 * `GET /oauth/calls?delayMs=100` returns the calls since the last time, and sets the response time of the token
 * endpoint. A refresh token that is used twice revokes its family.
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { WebSocketServer } from 'ws'
import { accessToken, userId } from '../support/setting.ts'

/** Since the last request for it. */
export interface Calls {
  readonly refreshes: number
  readonly refused: number
}

interface Code {
  readonly challenge: string
  readonly clientId: string
  readonly scope: string
  readonly nonce: string | null
}

const codes = new Map<string, Code>()
/** Number of the valid refresh token of each family; 1 for a family that is not listed. */
const families = new Map<string, number | 'revoked'>()
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
let calls = { refreshes: 0, refused: 0 }
let delayMs = 0

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const origin = `http://${request.headers.host}`
  const url = new URL(request.url ?? '/', origin)
  if (url.pathname.startsWith('/.well-known/')) return json(response, 200, document(url.pathname, origin))
  if (url.pathname === '/oauth/authorize') return authorize(url.searchParams, response)
  if (url.pathname === '/oauth/calls') {
    delayMs = Number(url.searchParams.get('delayMs'))
    json(response, 200, calls)
    calls = { refreshes: 0, refused: 0 }
    return
  }
  let body = ''
  for await (const chunk of request) body += chunk
  if (url.pathname === '/oauth/token') return await issue(new URLSearchParams(body), origin, response)
  json(response, 200, {})
}

function document(path: string, issuer: string): object {
  if (path.endsWith('jwks.json'))
    return { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'bench', alg: 'RS256', use: 'sig' }] }
  return {
    issuer,
    authorization_endpoint: `${issuer}/oauth/authorize`,
    token_endpoint: `${issuer}/oauth/token`,
    revocation_endpoint: `${issuer}/oauth/revoke`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    response_types_supported: ['code'],
    response_modes_supported: ['query', 'form_post'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    code_challenge_methods_supported: ['S256'],
  }
}

function authorize(parameters: URLSearchParams, response: ServerResponse): void {
  const parameter = (name: string): string => parameters.get(name) ?? ''
  const code = randomBytes(16).toString('base64url')
  const [challenge, clientId, scope] = [parameter('code_challenge'), parameter('client_id'), parameter('scope')]
  codes.set(code, { challenge, clientId, scope, nonce: parameters.get('nonce') })
  const back = new URL(parameter('redirect_uri'))
  back.searchParams.set('code', code)
  back.searchParams.set('state', parameter('state'))
  response.writeHead(302, { location: back.href }).end()
}

async function issue(parameters: URLSearchParams, issuer: string, response: ServerResponse): Promise<void> {
  if (parameters.get('grant_type') === 'refresh_token') {
    calls.refreshes += 1
    const [family = '', number] = (parameters.get('refresh_token') ?? '').split('.')
    const valid = families.get(family) ?? 1
    // The token is used when it arrives, not when the response leaves.
    families.set(family, valid === Number(number) ? valid + 1 : 'revoked')
    await delay(delayMs)
    if (valid === Number(number)) return json(response, 200, tokenSet(family, valid + 1))
    calls.refused += 1
    return json(response, 400, { error: 'invalid_grant' })
  }
  const code = codes.get(parameters.get('code') ?? '')
  codes.delete(parameters.get('code') ?? '')
  const proof = createHash('sha256')
    .update(parameters.get('code_verifier') ?? '')
    .digest('base64url')
  if (code === undefined || code.challenge !== proof) return json(response, 400, { error: 'invalid_grant' })
  const identity = code.scope.includes('openid') ? { id_token: identityToken(code, issuer) } : {}
  json(response, 200, { ...tokenSet(randomBytes(12).toString('base64url'), 1), ...identity, scope: code.scope })
}

function tokenSet(family: string, number: number): object {
  return {
    access_token: `${accessToken}${randomBytes(6).toString('hex')}`,
    refresh_token: refreshTokenOf(family, number),
    token_type: 'bearer',
    expires_in: 21_600,
  }
}

/** As long as the tokens of Qlik Cloud. */
function refreshTokenOf(family: string, number: number): string {
  return `${family}.${number}.`.padEnd(600, 'r')
}

function identityToken({ clientId, nonce }: Code, issuer: string): string {
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    iss: issuer,
    sub: userId,
    aud: clientId,
    iat: now,
    exp: now + 3600,
    nonce,
    name: 'Bench',
    email: 'bench@example.com',
  }
  const parts = [{ alg: 'RS256', kid: 'bench', typ: 'JWT' }, claims].map(part =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  )
  return [...parts, sign('RSA-SHA256', Buffer.from(parts.join('.')), privateKey).toString('base64url')].join('.')
}

function json(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

const server = createServer((request, response) => void respond(request, response))
server.keepAliveTimeout = 60_000
new WebSocketServer({ server })
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`),
)
process.on('SIGTERM', () => process.exit(0))
