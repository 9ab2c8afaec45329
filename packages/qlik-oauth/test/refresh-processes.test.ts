import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { type LoginStore, redisLoginStore } from 'qlik-oauth'
import { type Child, startChild } from 'test-support/child'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { startAll } from 'test-support/start-all'
import {
  startTokenEndpoint,
  type TokenEndpoint,
  type TokenEndpointResponse,
  type TokenRequest,
} from './support/token-endpoint.ts'

const keys = randomBytes(32).toString('base64')
let redis: RedisServer
let endpoint: TokenEndpoint
let connection: Redis
let store: LoginStore
let environment: Record<string, string>
let children: Child[] = []

beforeAll(async () => {
  ;[redis, endpoint] = await startAll(startRedis(), startTokenEndpoint())
  connection = new Redis(redis.url)
  store = redisLoginStore(connection, { keys: [keys] })
  environment = { TENANT: endpoint.origin, REDIS: redis.url, KEYS: keys }
  children = await startAll(...Array.from({ length: 4 }, () => startChild(loginProcess, environment)))
})

afterAll(async () => {
  await Promise.all(children.map(child => child.stop()))
  await store.close()
  connection.disconnect()
  await endpoint.close()
  await redis.stop()
})

/** A login whose access token has expired, so that the first request refreshes it. */
async function dueLogin(key: string): Promise<void> {
  const now = Date.now()
  const tokens = { accessToken: 'expired', refreshToken: `${key}-1`, issuedAt: now - 3600_000, expiresAt: now - 1000 }
  const times = { createdAt: now, refreshedAt: now, endsAt: now + 3600_000 }
  await store.createLogin(
    key,
    { tenant: endpoint.origin, clientId: 'web', user: { id: 'ada' }, tokens, ...times },
    3600,
  )
}

/** Refresh tokens that work once, as of a tenant that rotates them. */
function rotating(before: (request: TokenRequest) => unknown = () => {}) {
  const used = new Set<unknown>()
  const grants: unknown[] = []
  endpoint.respond(async (request): Promise<TokenEndpointResponse> => {
    const { refresh_token } = request.parameters
    if (refresh_token === undefined) return { body: {} }
    grants.push(refresh_token)
    const reused = used.has(refresh_token)
    used.add(refresh_token)
    await before(request)
    if (reused) return { status: 401, body: { errors: [{ code: 'OAUTH-9', title: 'Invalid token' }] } }
    return {
      body: {
        access_token: `new of ${refresh_token}`,
        token_type: 'bearer',
        expires_in: 3600,
        refresh_token: `${refresh_token}-next`,
      },
    }
  })
  return grants
}

async function askAll(key: string, of = children): Promise<string[]> {
  return (await Promise.all(of.map(child => child.ask(key)))).flatMap(line => JSON.parse(line))
}

const loginProcess = new URL('support/login-process.ts', import.meta.url)

describe('four processes with 25 requests each', () => {
  it('send one refresh grant, also when the token endpoint takes longer than three leases', async () => {
    await dueLogin('slow')
    const grants = rotating(() => new Promise(resolve => setTimeout(resolve, 1000)))
    const got = await askAll('slow')
    expect(got).toHaveLength(100)
    expect(new Set(got)).toEqual(new Set(['new of slow-1']))
    expect(grants).toEqual(['slow-1'])
  })

  it('continue after a lock holder that died before its token request', async () => {
    await dueLogin('dead')
    const grants = rotating()
    // What a process that died here leaves: a lock whose lease is not renewed.
    expect(typeof (await store.lock('dead', 300))).toBe('object')
    expect(new Set(await askAll('dead'))).toEqual(new Set(['new of dead-1']))
    expect(grants).toEqual(['dead-1'])
  })

  it('end the login once, without a loop, after a holder that died between the token response and its write', async () => {
    await dueLogin('lost')
    const victim = await startChild(loginProcess, environment)
    const asked = endpoint.nextRequest()
    let release = () => {}
    const released = new Promise<void>(resolve => (release = resolve))
    const grants = rotating(() => released)
    const unanswered = victim.ask('lost').catch(() => '')
    await asked
    await victim.kill()
    release()
    void unanswered
    const got = await askAll('lost')
    expect(got.every(outcome => outcome === 'ERR_SESSION_EXPIRED' || outcome === 'not authenticated')).toBe(true)
    expect(grants).toEqual(['lost-1', 'lost-1'])
    expect(new Set(await askAll('lost'))).toEqual(new Set(['not authenticated']))
    expect(grants).toHaveLength(2)
  })
})
