import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { startTokenEndpoint, type TokenEndpoint } from '../../test/support/token-endpoint.ts'
import { type QlikClient, qlikClient } from '../protocol/client.ts'
import { QlikOAuthError } from '../protocol/errors.ts'
import type { TokenSet } from '../protocol/token-set.ts'
import type { LoginStore } from '../stores/login-store.ts'
import { memoryLoginStore } from '../stores/memory-login-store.ts'
import type { LoginEvents } from './login-events.ts'
import { createLogins, type Logins } from './logins.ts'

let endpoint: TokenEndpoint
let web: QlikClient
let clock: number
let store: LoginStore
let events: { name: keyof LoginEvents; event: LoginEvents[keyof LoginEvents] }[]
const open: Logins[] = []

beforeEach(async () => {
  endpoint = await startTokenEndpoint()
  web = qlikClient({ tenant: endpoint.origin, clientId: 'web', clientSecret: 'hush' })
  clock = Date.parse('2026-01-01T12:00:00Z')
  store = memoryLoginStore({ now: () => clock })
  events = []
})
afterEach(async () => {
  await Promise.all(open.splice(0).map(logins => logins.close()))
  await web.close()
  await endpoint.close()
})

/** The logins of one process. */
function process(over: Partial<LoginStore> = {}): Logins {
  const logins = createLogins({
    store: { ...store, ...over },
    clientOf: () => web,
    emit: (name, event) => events.push({ name, event }),
    idleSeconds: 24 * 3600,
    absoluteSeconds: 24 * 3600,
    refreshLeaseMs: 200,
    now: () => clock,
  })
  open.push(logins)
  return logins
}

async function loggedIn(tokens: Partial<TokenSet> = {}): Promise<void> {
  const login = {
    accessToken: 'first',
    refreshToken: 'refresh-1',
    scope: 'user_default apps:read',
    issuedAt: clock,
    expiresAt: clock + 3600_000,
  }
  await process().create('key', { client: web, user: { id: 'ada' }, tokens: { ...login, ...tokens } })
}

async function token(logins: Logins, rejected?: string): Promise<string | undefined> {
  return (await logins.find('key'))?.accessToken(rejected === undefined ? {} : { rejected })
}

const names = () => events.map(({ name }) => name).filter(name => name !== 'login')
const hour = 3600_000

describe('refresh of a login', () => {
  it('does not happen while the access token is valid', async () => {
    await loggedIn()
    clock += hour / 2
    expect(await token(process())).toBe('first')
    expect(endpoint.requests).toHaveLength(0)
  })

  it('happens once for a hundred requests in four processes', async () => {
    await loggedIn()
    clock += hour
    const processes = Array.from({ length: 4 }, () => process())
    const results = await Promise.all(processes.flatMap(logins => Array.from({ length: 25 }, () => token(logins))))
    expect(results).toHaveLength(100)
    expect(new Set(results)).toEqual(new Set(['token-1']))
    expect(endpoint.requests.map(({ parameters }) => parameters)).toEqual([
      { grant_type: 'refresh_token', refresh_token: 'refresh-1', client_id: 'web', client_secret: 'hush' },
    ])
    expect(names()).toEqual(['refresh'])
  })

  it('happens once for many requests whose token the tenant rejected', async () => {
    await loggedIn()
    const processes = Array.from({ length: 4 }, () => process())
    const results = await Promise.all(
      processes.flatMap(logins => Array.from({ length: 5 }, () => token(logins, 'first'))),
    )
    expect(new Set(results)).toEqual(new Set(['token-1']))
    expect(endpoint.requests).toHaveLength(1)
  })

  it('is not forced repeatedly by a resource that rejects every token', async () => {
    await loggedIn()
    const logins = process()
    expect(await token(logins, 'first')).toBe('token-1')
    expect(await Promise.all([token(logins, 'token-1'), token(logins, 'token-1')])).toEqual(['token-1', 'token-1'])
    expect(endpoint.requests).toHaveLength(1)
    clock += 60_000
    expect(await token(logins, 'token-1')).toBe('token-2')
    expect(endpoint.requests).toHaveLength(2)
  })

  it('is not forced again by another process within a minute', async () => {
    await loggedIn()
    expect(await token(process(), 'first')).toBe('token-1')
    const others = Array.from({ length: 4 }, () => process())
    const results = await Promise.all(others.map(logins => token(logins, 'token-1')))
    expect(results).toEqual(['token-1', 'token-1', 'token-1', 'token-1'])
    expect(endpoint.requests).toHaveLength(1)
    clock += 60_000
    expect(new Set(await Promise.all(others.map(logins => token(logins, 'token-1'))))).toEqual(new Set(['token-2']))
    expect(endpoint.requests).toHaveLength(2)
  })

  it('is not forced without a refresh token: the login stays until its access token expires', async () => {
    await process().create('key', {
      client: web,
      user: { id: 'ada' },
      tokens: { accessToken: 'only', issuedAt: clock, expiresAt: clock + hour },
    })
    expect(await Promise.all([process(), process()].map(logins => token(logins, 'only')))).toEqual(['only', 'only'])
    expect(endpoint.requests).toEqual([])
    expect(names()).toEqual([])
    expect(await token(process())).toBe('only')
  })

  it('stores a new refresh token, keeps the old one without a new one, and never moves the absolute end', async () => {
    await loggedIn()
    const endsAt = (await process().peek('key'))?.record.endsAt
    endpoint.respond(() => ({
      body: {
        access_token: 'a',
        token_type: 'bearer',
        expires_in: 3600,
        refresh_token: 'refresh-2',
        scope: 'user_default',
      },
    }))
    clock += hour
    await token(process())
    expect((await process().peek('key'))?.record).toMatchObject({
      tokens: { refreshToken: 'refresh-2', scope: 'user_default' },
      endsAt,
    })
    endpoint.respond(() => undefined)
    clock += hour
    await token(process())
    expect((await process().peek('key'))?.record).toMatchObject({
      tokens: { refreshToken: 'refresh-2', scope: 'user_default' },
      endsAt,
    })
  })

  it('does not repeat on a machine whose clock is a minute off', async () => {
    await loggedIn()
    clock += hour - 30_000
    await token(process())
    clock -= 60_000
    for (let times = 0; times < 3; times++) expect(await token(process())).toBe('token-1')
    clock += 120_000
    expect(await token(process())).toBe('token-1')
    expect(endpoint.requests).toHaveLength(1)
  })
})

describe('a refresh that fails', () => {
  const invalidGrant = { status: 401, body: { errors: [{ code: 'OAUTH-9', title: 'Invalid token', status: '401' }] } }

  it('ends the login when the grant is refused', async () => {
    await loggedIn()
    clock += hour
    endpoint.respond(({ path }) => (path === '/oauth/token' ? invalidGrant : { body: {} }))
    await expect(token(process())).rejects.toMatchObject({ code: 'ERR_SESSION_EXPIRED' })
    expect(await process().find('key')).toBeUndefined()
    expect(names()).toEqual(['refreshFailed', 'loginEnded'])
    expect(events.at(-1)?.event).toMatchObject({ reason: 'refresh_refused' })
  })

  it('uses what another process stored when the grant is refused because of it', async () => {
    await loggedIn()
    clock += hour
    endpoint.respond(async () => {
      const { record, version } = (await store.readLogin('key')) ?? { record: undefined, version: 0 }
      if (record === undefined) throw new Error('The login is gone')
      await store.replaceLogin('key', version, {
        ...record,
        tokens: { ...record.tokens, accessToken: 'of another process', issuedAt: clock, expiresAt: clock + hour },
      })
      return invalidGrant
    })
    expect(await token(process())).toBe('of another process')
    expect(names()).toEqual([])
  })

  it.each([
    [
      'wrong credentials of the client',
      { status: 401, body: { errors: [{ code: 'OAUTH-22', title: 'Invalid client_secret' }] } },
    ],
    ['an outage', { status: 503, body: 'away' }],
    ['a limit', { status: 429, headers: { 'retry-after': '7' }, body: {} }],
    ['garbage', { status: 200, body: '<html>' }],
  ])('keeps the login after %s: the old token until it expires, then 503', async (_what, response) => {
    await loggedIn()
    endpoint.respond(() => response)
    clock += hour - 20_000
    expect(await token(process())).toBe('first')
    clock += 25_000
    await expect(token(process())).rejects.toMatchObject({ code: 'ERR_TOKEN_UNAVAILABLE', status: 503 })
    expect(names().filter(name => name !== 'refreshFailed')).toEqual([])
    endpoint.respond(() => undefined)
    clock += 40_000
    expect(await token(process())).toMatch(/^token-/)
  })

  it('keeps the login of a user who is refused for another reason than being disabled, with 403 once the token expired', async () => {
    await loggedIn()
    const errors = [{ code: 'OAUTH-30', title: 'User is disabled or has reached the maximum number of tokens' }]
    endpoint.respond(() => ({ status: 403, body: { errors } }))
    clock += hour - 20_000
    expect(await token(process())).toBe('first')
    clock += 25_000
    await expect(token(process())).rejects.toMatchObject({ code: 'ERR_USER_REFUSED', status: 403 })
    expect(names().filter(name => name !== 'refreshFailed')).toEqual([])
    endpoint.respond(() => undefined)
    clock += 40_000
    expect(await token(process())).toMatch(/^token-/)
  })

  it('ends the login of a disabled user', async () => {
    await loggedIn()
    endpoint.respond(() => ({ status: 403, body: { errors: [{ code: 'OAUTH-30', title: 'User is disabled' }] } }))
    clock += hour
    await expect(token(process())).rejects.toMatchObject({ code: 'ERR_SESSION_EXPIRED' })
    expect(events.map(({ event }) => event)).toContainEqual(expect.objectContaining({ reason: 'user_disabled' }))
  })

  it('starts a backoff in all processes', async () => {
    await loggedIn()
    clock += hour
    endpoint.respond(() => ({ status: 503 }))
    const results = await Promise.allSettled(Array.from({ length: 4 }, () => token(process())))
    expect(results.map(({ status }) => status)).toEqual(Array.from({ length: 4 }, () => 'rejected'))
    expect(endpoint.requests).toHaveLength(1)
  })

  it('ends the login without a refresh token when its access token expires', async () => {
    await process().create('key', {
      client: web,
      user: { id: 'ada' },
      tokens: { accessToken: 'only', issuedAt: clock, expiresAt: clock + hour },
    })
    clock += hour - 1000
    expect(await token(process())).toBe('only')
    clock += 2000
    await expect(token(process())).rejects.toMatchObject({ code: 'ERR_SESSION_EXPIRED' })
    expect(await process().find('key')).toBeUndefined()
  })
})

describe('a refresh concurrent with a logout', () => {
  it('does not bring the login back, and revokes the new tokens', async () => {
    await loggedIn()
    clock += hour
    const logins = process()
    const revoked: unknown[] = []
    endpoint.respond(async ({ path, parameters }) => {
      if (path === '/oauth/revoke') {
        revoked.push(parameters.token)
        return { body: {} }
      }
      await process().end('key', 'logout')
      return { body: { access_token: 'late', token_type: 'bearer', expires_in: 3600, refresh_token: 'late-refresh' } }
    })
    await expect(token(logins)).rejects.toMatchObject({ code: 'ERR_SESSION_EXPIRED' })
    expect(await store.readLogin('key')).toBeUndefined()
    expect(revoked).toEqual(expect.arrayContaining(['late', 'late-refresh']))
  })
})

describe('a refresh whose result cannot be stored', () => {
  it('serves from memory, does not use the old refresh token again, and repeats the write', async () => {
    await loggedIn()
    clock += hour
    let refuse = true
    let stored = () => {}
    const storedAgain = new Promise<void>(resolve => (stored = resolve))
    const logins = process({
      async replaceLogin(...parameters) {
        if (refuse) throw new QlikOAuthError('ERR_STORE_UNAVAILABLE', 'OOM')
        const outcome = await store.replaceLogin(...parameters)
        stored()
        return outcome
      },
    })
    expect(await token(logins)).toBe('token-1')
    expect(await token(logins)).toBe('token-1')
    expect(endpoint.requests).toHaveLength(1)
    expect(names()).toEqual(['saveFailed', 'refresh'])
    refuse = false
    await storedAgain
    expect((await process().peek('key'))?.record.tokens.accessToken).toBe('token-1')
  })

  it('recognises its own write after a lost response', async () => {
    await loggedIn()
    clock += hour
    let lost = false
    const logins = process({
      async replaceLogin(...parameters) {
        const outcome = await store.replaceLogin(...parameters)
        if (lost) return outcome
        lost = true
        throw new QlikOAuthError('ERR_STORE_UNAVAILABLE', 'no response')
      },
    })
    expect(await token(logins)).toBe('token-1')
    expect(await token(process())).toBe('token-1')
    expect(endpoint.requests).toHaveLength(1)
  })
})
