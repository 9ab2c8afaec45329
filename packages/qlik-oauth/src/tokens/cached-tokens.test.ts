import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { startTokenEndpoint, type TokenEndpoint } from '../../test/support/token-endpoint.ts'
import {
  type ClientAuthenticationOptions,
  type QlikClient,
  type QlikClientSettings,
  qlikClient,
} from '../protocol/client.ts'
import { noClientAuthentication } from '../protocol/client-authentication.ts'
import { QlikOAuthError } from '../protocol/errors.ts'
import { memoryLoginStore } from '../stores/memory-login-store.ts'
import { anonymousTokens } from './anonymous-tokens.ts'
import type { TokenCache } from './cached-tokens.ts'
import { impersonatedTokens } from './impersonated-tokens.ts'
import { machineTokens } from './machine-tokens.ts'
import type { TokenSource } from './token-source.ts'
import { withAccessToken } from './with-access-token.ts'

let endpoint: TokenEndpoint
const clients: QlikClient[] = []

beforeEach(async () => {
  endpoint = await startTokenEndpoint()
})
afterEach(async () => {
  await Promise.all(clients.splice(0).map(one => one.close()))
  await endpoint.close()
})

function machine(
  settings: Partial<QlikClientSettings> = {},
  authentication: ClientAuthenticationOptions = { clientSecret: 'hush' },
): QlikClient {
  const client = qlikClient({ tenant: endpoint.origin, clientId: 'robot', ...settings, ...authentication })
  clients.push(client)
  return client
}

const unavailable: TokenCache = {
  saveTokens: () => Promise.reject(new QlikOAuthError('ERR_STORE_UNAVAILABLE', 'away')),
  readTokens: () => Promise.reject(new QlikOAuthError('ERR_STORE_UNAVAILABLE', 'away')),
  lock: () => Promise.reject(new QlikOAuthError('ERR_STORE_UNAVAILABLE', 'away')),
}

describe('machine tokens', () => {
  it('requests one token for concurrent callers, and keeps it', async () => {
    const tokens = machineTokens({ client: machine(), store: memoryLoginStore(), scope: 'admin_classic' })
    const all = await Promise.all(Array.from({ length: 25 }, () => tokens.accessToken()))
    expect(new Set(all)).toEqual(new Set(['token-1']))
    expect(await tokens.accessToken()).toBe('token-1')
    expect(endpoint.requests.map(({ parameters }) => parameters)).toEqual([
      { grant_type: 'client_credentials', client_id: 'robot', client_secret: 'hush', scope: 'admin_classic' },
    ])
  })

  it('shares the token through the store', async () => {
    const store = memoryLoginStore()
    const sources = [1, 2, 3, 4].map(() => machineTokens({ client: machine(), store }))
    const all = await Promise.all(sources.map(source => source.accessToken()))
    expect(new Set(all).size).toBe(1)
    expect(endpoint.requests).toHaveLength(1)
  })

  it('keeps tokens of different hosts, clients and scopes apart', async () => {
    const other = await startTokenEndpoint()
    const store = memoryLoginStore()
    const sources = [
      machineTokens({ client: machine(), store }),
      machineTokens({ client: machine({ tenant: other.origin }), store }),
      machineTokens({ client: machine({ clientId: 'other' }), store }),
      machineTokens({ client: machine(), store, scope: 'apps:read' }),
    ]
    for (const source of sources) await source.accessToken()
    expect([endpoint.requests.length, other.requests.length]).toEqual([3, 1])
    await other.close()
  })

  it('renews a token before it expires', async () => {
    let now = 1_000_000
    const tokens = machineTokens({ client: machine(), store: memoryLoginStore({ now: () => now }), now: () => now })
    await tokens.accessToken()
    now += 3_541_000
    expect(await tokens.accessToken()).toBe('token-2')
  })

  it('uses the old token while renewal fails, and retries later', async () => {
    let now = 1_000_000
    const tokens = machineTokens({ client: machine(), store: memoryLoginStore({ now: () => now }), now: () => now })
    await tokens.accessToken()
    endpoint.respond(() => ({ status: 502, body: '<h1>Bad gateway</h1>' }))
    now += 3_560_000
    expect(await tokens.accessToken()).toBe('token-1')
    endpoint.respond(() => undefined)
    now += 30_000
    expect(await tokens.accessToken()).toBe('token-3')
  })

  it('renews a rejected token once for all callers that used it', async () => {
    const tokens = machineTokens({ client: machine(), store: memoryLoginStore() })
    const rejected = await tokens.accessToken()
    const all = await Promise.all(Array.from({ length: 10 }, () => tokens.accessToken({ rejected })))
    expect(new Set(all)).toEqual(new Set(['token-2']))
    expect(await tokens.accessToken({ rejected })).toBe('token-2')
    expect(endpoint.requests).toHaveLength(2)
  })

  it('replaces a rejected token with the one that another process stored', async () => {
    const store = memoryLoginStore()
    const [one, two] = [machineTokens({ client: machine(), store }), machineTokens({ client: machine(), store })]
    const rejected = await one.accessToken()
    await two.accessToken()
    await one.accessToken({ rejected })
    expect(await two.accessToken({ rejected })).toBe('token-2')
    expect(endpoint.requests).toHaveLength(2)
  })

  it('does not return a rejected token that a shared flight read before', async () => {
    const store = memoryLoginStore()
    const first = machineTokens({ client: machine(), store })
    const rejected = await first.accessToken()
    const second = machineTokens({ client: machine(), store })
    const [, renewed] = await Promise.all([second.accessToken(), second.accessToken({ rejected })])
    expect(renewed).toBe('token-2')
  })

  it('requests one token a minute for a resource that rejects every token', async () => {
    let now = 1_000_000
    const tokens = machineTokens({ client: machine(), store: memoryLoginStore({ now: () => now }), now: () => now })
    expect(await rejectEveryToken(tokens, 100)).toEqual(['token-1', 'token-2'])
    expect(endpoint.requests).toHaveLength(2)

    now += 59_999
    expect(await rejectEveryToken(tokens, 100)).toEqual(['token-2'])
    now += 1
    expect(await rejectEveryToken(tokens, 100)).toEqual(['token-2', 'token-3'])
    expect(endpoint.requests).toHaveLength(3)
  })

  it('requests one token a minute for concurrent requests whose tokens are all rejected, in two processes', async () => {
    const store = memoryLoginStore()
    const sources = [1, 2].map(() => machineTokens({ client: machine(), store }))
    await Promise.all(sources.flatMap(tokens => Array.from({ length: 20 }, () => rejectEveryToken(tokens, 5))))
    expect(endpoint.requests.length).toBeLessThanOrEqual(3)
  })

  it('renews a token that is rejected a second time after it was renewed for its expiry', async () => {
    let now = 1_000_000
    const tokens = machineTokens({ client: machine(), store: memoryLoginStore({ now: () => now }), now: () => now })
    await rejectEveryToken(tokens, 1)
    now += 3_600_000
    expect(await rejectEveryToken(tokens, 1)).toEqual(['token-3', 'token-4'])
  })

  it('does not cache a failure, and pauses all processes after one', async () => {
    let now = 1_000_000
    const store = memoryLoginStore({ now: () => now })
    const sources = [1, 2].map(() => machineTokens({ client: machine(), store, now: () => now }))
    endpoint.respond(() => ({ status: 401, body: { errors: [{ code: 'OAUTH-22', title: 'Invalid client_secret' }] } }))
    await expect(sources[0]?.accessToken()).rejects.toMatchObject({
      code: 'ERR_TOKEN_REFUSED',
      error: 'invalid_client',
    })
    await expect(sources[1]?.accessToken()).rejects.toMatchObject({
      code: 'ERR_TOKEN_UNAVAILABLE',
      retryAfterSeconds: 1,
    })
    expect(endpoint.requests).toHaveLength(1)
    const failures = await Promise.allSettled([sources[0]?.accessToken(), sources[0]?.accessToken()])
    for (const failure of failures) {
      expect(failure).toMatchObject({
        reason: {
          code: 'ERR_TOKEN_UNAVAILABLE',
          message: expect.stringContaining('ERR_TOKEN_REFUSED'),
          cause: { code: 'ERR_TOKEN_REFUSED', qlikCode: 'OAUTH-22' },
        },
      })
      expect(inspect(failure)).not.toContain('hush')
    }
    expect(endpoint.requests).toHaveLength(1)

    endpoint.respond(() => undefined)
    now += 1001
    expect(await sources[1]?.accessToken()).toBe('token-2')
    expect(await sources[0]?.accessToken()).toBe('token-2')
  })

  it('explains a 403', async () => {
    endpoint.respond(() => ({
      status: 403,
      body: { errors: [{ code: 'OAUTH-X', title: 'Too many tokens for this client' }] },
    }))
    const tokens = machineTokens({ client: machine(), store: memoryLoginStore() })
    await expect(tokens.accessToken()).rejects.toMatchObject({
      error: 'access_denied',
      responseStatus: 403,
      message: expect.stringContaining('token limit of the tenant'),
    })
  })

  it('passes Retry-After on', async () => {
    endpoint.respond(() => ({
      status: 429,
      headers: { 'retry-after': '17' },
      body: { errors: [{ code: 'HTTP-429', title: 'Too many' }] },
    }))
    const tokens = machineTokens({ client: machine(), store: memoryLoginStore() })
    await expect(tokens.accessToken()).rejects.toMatchObject({ code: 'ERR_TOKEN_UNAVAILABLE', retryAfterSeconds: 17 })
  })

  it('serves its own copy while the store is unavailable', async () => {
    const store = memoryLoginStore()
    let current: TokenCache = store
    const tokens = machineTokens({
      client: machine(),
      store: {
        saveTokens: (...parameters) => current.saveTokens(...parameters),
        readTokens: (...parameters) => current.readTokens(...parameters),
        lock: (...parameters) => current.lock(...parameters),
      },
    })
    await tokens.accessToken()
    current = unavailable
    expect(await tokens.accessToken()).toBe('token-1')
    await expect(tokens.accessToken({ rejected: 'token-1' })).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
  })

  it('returns a token that could not be stored', async () => {
    const store = { ...memoryLoginStore(), saveTokens: unavailable.saveTokens }
    expect(await machineTokens({ client: machine(), store }).accessToken()).toBe('token-1')
  })

  it('ends the wait of one caller without ending the request of the others', async () => {
    const tokens = machineTokens({ client: machine(), store: memoryLoginStore() })
    const controller = new AbortController()
    let respond = () => {}
    const responded = new Promise<undefined>(resolve => {
      respond = () => resolve(undefined)
    })
    endpoint.respond(() => responded)
    const requested = endpoint.nextRequest()
    const [aborted, waiting] = [tokens.accessToken({ signal: controller.signal }), tokens.accessToken()]
    await requested
    controller.abort()
    await expect(aborted).rejects.toThrow('aborted')
    respond()
    expect(await waiting).toBe('token-1')
  })

  it('refuses a public client', () => {
    const spa = qlikClient({ tenant: endpoint.origin, clientId: 'spa' })
    clients.push(spa)
    expect(() => machineTokens({ client: spa, store: memoryLoginStore() })).toThrow('clientSecret or a privateKeyJwt()')
  })
})

describe('impersonated tokens', () => {
  it('requests a token for each user, by id or by subject', async () => {
    const tokensOf = impersonatedTokens({ client: machine(), store: memoryLoginStore() })
    const [ann, bob] = [{ userId: 'ann' }, { subject: 'idp|bob' }]
    expect(await tokensOf(ann).accessToken()).toBe('token-1')
    expect(await tokensOf(bob).accessToken()).toBe('token-2')
    expect(await tokensOf(ann).accessToken()).toBe('token-1')
    expect(endpoint.requests.map(({ parameters }) => [parameters.user_lookup, parameters.scope])).toEqual([
      [{ field: 'userId', value: 'ann' }, 'user_default'],
      [{ field: 'subject', value: 'idp|bob' }, 'user_default'],
    ])
  })

  it('requests one token for concurrent callers of one user', async () => {
    const tokensOf = impersonatedTokens({ client: machine(), store: memoryLoginStore() })
    await Promise.all(Array.from({ length: 10 }, () => tokensOf({ userId: 'ann' }).accessToken()))
    expect(endpoint.requests).toHaveLength(1)
  })

  it('requests one token a minute and user for a resource that rejects every token', async () => {
    const tokensOf = impersonatedTokens({ client: machine(), store: memoryLoginStore() })
    for (let request = 0; request < 20; request++) {
      await rejectEveryToken(tokensOf({ userId: 'ann' }), 1)
      await rejectEveryToken(tokensOf({ userId: 'bob' }), 1)
    }
    expect(endpoint.requests).toHaveLength(4)
  })

  it.each([{ userId: '' }, { subject: 7 }, {}, { userId: 'a', subject: 'b' }, undefined])(
    'refuses the user %j',
    user => {
      const tokensOf = impersonatedTokens({ client: machine(), store: memoryLoginStore() })
      expect(() => tokensOf(user as never)).toThrow('{userId} or {subject}')
    },
  )

  it('refuses a client of a region', () => {
    const store = memoryLoginStore()
    expect(() => impersonatedTokens({ client: machine({ tier: 'region' }), store })).toThrow(
      expect.objectContaining({ code: 'ERR_TIER' }),
    )
  })
})

describe('anonymous tokens', () => {
  const anonymous = () => machine({ clientId: 'public-page' }, { authentication: noClientAuthentication() })

  it('sends access code and tracking code, without a secret', async () => {
    const tokens = anonymousTokens({ client: anonymous(), store: memoryLoginStore(), accessCode: 'eac-1' })
    expect(await tokens.accessToken()).toBe('token-1')
    expect(endpoint.requests).toEqual([
      {
        path: '/oauth/token/anonymous-embed',
        contentType: 'application/json',
        authorization: undefined,
        parameters: {
          grant_type: 'urn:qlik:oauth:anonymous-embed',
          client_id: 'public-page',
          eac: 'eac-1',
          tracking_code: expect.stringMatching(/^[0-9a-f]{40}$/),
        },
      },
    ])
  })

  it('shares one token between processes, and requests another for a tracking code', async () => {
    const store = memoryLoginStore()
    const options = { client: anonymous(), store, accessCode: 'eac-1' }
    await anonymousTokens(options).accessToken()
    await anonymousTokens(options).accessToken()
    expect(endpoint.requests).toHaveLength(1)
    await anonymousTokens({ ...options, trackingCode: 'a'.repeat(40) }).accessToken()
    expect(endpoint.requests[1]?.parameters.tracking_code).toBe('a'.repeat(40))
  })

  it('requests one token a minute for a resource that rejects every token', async () => {
    const tokens = anonymousTokens({ client: anonymous(), store: memoryLoginStore(), accessCode: 'eac-1' })
    expect(await rejectEveryToken(tokens, 100)).toEqual(['token-1', 'token-2'])
    expect(endpoint.requests).toHaveLength(2)
  })

  it.each(['', 'A'.repeat(40), 'a'.repeat(39), `${'a'.repeat(40)}\n`])('refuses the tracking code %j', trackingCode => {
    expect(() =>
      anonymousTokens({ client: anonymous(), store: memoryLoginStore(), accessCode: 'x', trackingCode }),
    ).toThrow('40 hexadecimal')
  })
})

describe('the options of a token source', () => {
  const options = () => ({ client: machine(), store: memoryLoginStore() })
  const invalid: [string, object, string][] = [
    ['machineTokens', { scopes: 'a' }, 'machineTokens has no option scopes. Did you mean scope?'],
    ['machineTokens', { refreshLeeway: 5 }, 'Did you mean refreshLeewaySeconds?'],
    ['machineTokens', { accessCode: 'x' }, 'machineTokens has no option accessCode. Its options are client, leaseMs'],
    ['machineTokens', { leaseMs: 0 }, 'leaseMs must be a whole number of at least 1 and at most 2147483647, got 0'],
    ['machineTokens', { refreshLeewaySeconds: '60' }, 'refreshLeewaySeconds must be a whole number'],
    [
      'machineTokens',
      { client: { tenant: 'https://acme.eu.qlikcloud.com' } },
      'client must be what qlikClient(…) returns',
    ],
    ['machineTokens', { store: undefined }, 'store must be a store with the methods saveTokens, readTokens, lock'],
    ['machineTokens', { store: { readTokens: async () => undefined } }, 'store must be a store with the methods'],
    ['machineTokens', { store: new Map() }, 'such as redisLoginStore(…)'],
    ['machineTokens', { now: 5 }, 'now must be a function'],
    ['impersonatedTokens', { scope: 'a,b' }, 'Separate them by spaces, not commas.'],
    ['impersonatedTokens', { user: { userId: 'ann' } }, 'impersonatedTokens has no option user'],
    ['anonymousTokens', { accesscode: 'x' }, 'Did you mean accessCode?'],
    ['anonymousTokens', { accessCode: 'x', scope: 'a' }, 'anonymousTokens has no option scope'],
  ]
  const factories: Record<string, (options: never) => unknown> = { machineTokens, impersonatedTokens, anonymousTokens }

  it.each(invalid)('are checked at once: %s with %j', (name, changed, message) => {
    const received = { ...options(), ...changed }
    expect(() => factories[name]?.(received as never)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION', message: expect.stringContaining(message) }),
    )
  })

  it('are refused by the compiler as well', () => {
    const check = (): unknown[] => {
      const { client, store } = options()
      return [
        // @ts-expect-error: misspelt
        machineTokens({ client, store, scopes: 'a' }),
        // @ts-expect-error: missing
        machineTokens({ client }),
        // @ts-expect-error: a store without the needed methods
        machineTokens({ client, store: { readTokens: store.readTokens } }),
        // @ts-expect-error: the options of a client instead of a client
        machineTokens({ client: { tenant: client.tenant, clientId: 'robot', clientSecret: 'hush' }, store }),
        // @ts-expect-error: anonymous tokens have no scope
        anonymousTokens({ client, store, accessCode: 'x', scope: 'a' }),
        // @ts-expect-error: two users
        impersonatedTokens({ client, store })({ userId: 'ann', subject: 'idp|ann' }),
        // @ts-expect-error: no user
        impersonatedTokens({ client, store })({}),
      ]
    }
    expect(check).toThrow()
  })
})

/** Uses a token source for requests to a resource that rejects every token with 401. @returns The tokens it received. */
async function rejectEveryToken(tokens: TokenSource, requests: number): Promise<string[]> {
  const received = new Set<string>()
  for (let request = 0; request < requests; request++) {
    await withAccessToken(tokens, async accessToken => received.add(accessToken), { isRejected: () => true })
  }
  return [...received]
}
