import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import {
  type LoginStore,
  memoryLoginStore,
  type QlikClient,
  QlikOAuthError,
  qlikClient,
  redisLoginStore,
} from 'qlik-oauth'
import { createLogins, type Logins } from 'qlik-oauth/internal'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { until } from 'test-support/until'
import { type DyingProcess, dyingProcess } from './support/dying-process.ts'
import { startTokenEndpoint, type TokenEndpoint } from './support/token-endpoint.ts'

/** Longer than this process may be kept from renewing it by other work. */
const leaseMs = 1500
const storeKeys = [randomBytes(32).toString('base64')]
let server: RedisServer
let redis: Redis
let endpoint: TokenEndpoint
let web: QlikClient
const stores = new Map<string, LoginStore>()
/** Per login: the refresh tokens that were sent, those that were accepted, and the one that is valid now. */
const tenant = new Map<string, { sent: string[]; accepted: string[]; valid: string }>()

beforeAll(async () => {
  ;[server, endpoint] = await Promise.all([startRedis(), startTokenEndpoint()])
  redis = new Redis(server.url)
  web = qlikClient({ tenant: endpoint.origin, clientId: 'web', clientSecret: 'hush' })
  stores.set('memory', memoryLoginStore())
  stores.set('Redis', redisLoginStore(redis, { keys: storeKeys, commandTimeoutMs: 10_000 }))
  endpoint.respond(({ path, parameters }) => {
    if (path !== '/oauth/token') return { body: {} }
    const sent = String(parameters.refresh_token)
    const [login = '', generation] = sent.split('/')
    const state = tenant.get(login)
    state?.sent.push(sent)
    if (state?.valid !== sent) return { status: 401, body: { errors: [{ code: 'OAUTH-9', title: 'Invalid token' }] } }
    state.accepted.push(sent)
    state.valid = `${login}/${Number(generation) + 1}`
    return {
      body: { access_token: `for ${state.valid}`, token_type: 'bearer', expires_in: 3600, refresh_token: state.valid },
    }
  })
})
afterAll(async () => {
  await Promise.all([...stores.values()].map(store => store.close()))
  redis.disconnect()
  await web.close()
  await Promise.all([endpoint.close(), server.stop()])
})

interface Scenario {
  /** After how many steps the processes die that refresh first, one after another. */
  readonly deaths: readonly number[]
  /** How many processes refresh afterwards, concurrently. */
  readonly survivors: number
  /** Whether the access token has expired, or the tenant rejected it. */
  readonly due: 'expired' | 'rejected'
}

async function run(store: LoginStore, { deaths, survivors, due }: Scenario): Promise<void> {
  const key = randomUUID()
  const ends: string[] = []
  const open: Logins[] = []
  const victims: DyingProcess[] = []
  const state = { sent: [] as string[], accepted: [] as string[], valid: `${key}/1` }
  tenant.set(key, state)
  const now = Date.now()
  const tokens = {
    accessToken: 'first',
    refreshToken: `${key}/1`,
    issuedAt: now - 3600_000,
    expiresAt: now + (due === 'expired' ? -1000 : 3600_000),
  }
  const record = {
    tenant: endpoint.origin,
    clientId: 'web',
    user: { id: 'ada' },
    tokens,
    createdAt: now,
    refreshedAt: now,
    endsAt: now + 7200_000,
  }
  await store.createLogin(key, record, 3600)

  function start(on: LoginStore, client: QlikClient, isDead = () => false): Logins {
    const logins = createLogins({
      store: on,
      clientOf: () => client,
      emit: (name, event) => {
        if (name === 'loginEnded' && 'reason' in event && !isDead()) ends.push(event.reason)
      },
      refreshLeaseMs: leaseMs,
      sweepIntervalMs: 3600_000,
    })
    open.push(logins)
    return logins
  }
  const accessToken = async (logins: Logins): Promise<string> => {
    const login = await logins.find(key)
    if (login === undefined) return 'ended'
    return await login.accessToken(due === 'rejected' ? { rejected: 'first' } : {}).catch(error => {
      if (error instanceof QlikOAuthError && error.code === 'ERR_SESSION_EXPIRED') return 'ended'
      throw error
    })
  }

  try {
    for (const steps of deaths) {
      const victim = dyingProcess(store, web, steps)
      victims.push(victim)
      const done = accessToken(start(victim.store, victim.client, victim.isDead)).catch(() => {})
      await Promise.race([victim.death, done])
    }
    const results = await Promise.all(Array.from({ length: survivors }, () => accessToken(start(store, web))))
    const outcome = new Set(results)
    expect(outcome.size).toBe(1)
    const stored = await store.readLogin(key)

    // A refresh token is accepted once. It is sent again only after a process died between the response and its write.
    expect(new Set(state.accepted).size).toBe(state.accepted.length)
    const lost = victims.filter(({ executed }) => executed.includes('request') && !executed.includes('replaceLogin'))
    const refused = state.sent.length - state.accepted.length
    expect(refused).toBeLessThanOrEqual(lost.length)

    if (outcome.has('ended')) {
      expect(stored).toBeUndefined()
      // The valid refresh token died with a process.
      expect(lost.length).toBeGreaterThan(0)
      const diedReporting = victims.some(({ unheard }) => unheard.includes('endLogin'))
      // Another process reports it once the lease of the ending has run out: ending-crashes.test.ts.
      if (diedReporting) expect(ends).toEqual([])
      else expect(ends).toEqual(['refresh_refused'])
    } else {
      expect(ends).toEqual([])
      expect(stored?.record.tokens).toMatchObject({ refreshToken: state.valid, accessToken: `for ${state.valid}` })
      expect([...outcome]).toEqual([`for ${state.valid}`])
    }
    // No lock is held beyond the lease of a dead process.
    await until(async () => (await store.lock(key, 1)) !== 'held', leaseMs + 1000)
  } finally {
    for (const victim of victims) victim.bury()
    await Promise.all(open.map(logins => logins.close()))
    tenant.delete(key)
  }
}

const scenario: fc.Arbitrary<Scenario> = fc.record({
  deaths: fc.array(fc.nat(24), { minLength: 1, maxLength: 3 }),
  survivors: fc.integer({ min: 1, max: 3 }),
  due: fc.constantFrom('expired', 'rejected'),
})

describe.each(['memory', 'Redis'])('a refresh over %s', name => {
  const store = (): LoginStore => {
    const found = stores.get(name)
    if (found === undefined) throw new Error(`No store named ${name}`)
    return found
  }

  it.each(['expired', 'rejected'] as const)(
    'of a token that is %s survives the death of a process at every step, or ends the login once',
    async due => {
      const everyStep = Array.from({ length: 25 }, (_, steps) => steps)
      await Promise.all(everyStep.map(steps => run(store(), { deaths: [steps], survivors: 2, due })))
    },
    30_000,
  )

  it(
    'survives the deaths of several processes one after another, or ends the login once',
    () =>
      fc.assert(
        fc.asyncProperty(fc.array(scenario, { minLength: 25, maxLength: 25 }), scenarios =>
          Promise.all(scenarios.map(each => run(store(), each))).then(() => {}),
        ),
        { numRuns: 2 },
      ),
    60_000,
  )
})
