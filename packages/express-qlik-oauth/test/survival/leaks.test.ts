import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { startAll } from 'test-support/start-all'
import { until } from 'test-support/until'
import {
  type ApplicationProcess,
  publicUrl,
  settingsFor,
  startApplicationProcess,
} from '../support/application-processes.ts'
import { browser } from '../support/browser.ts'
import { loggedIn } from '../support/visitor.ts'

const keys = [randomBytes(32).toString('base64')]
let redis: RedisServer
let tenant: SimulatedTenant
let application: ApplicationProcess
let stop = async () => {}
let connection: Redis

// The debug output of Express and express-session contains URLs and cookies.
const everyLog = {
  DEBUG: '*,-express-session,-express:*,-router,-router:*,-finalhandler',
  NODE_DEBUG: 'undici,fetch,websocket',
}

beforeAll(async () => {
  ;[redis, tenant] = await startAll(startRedis(), createTenant())
  connection = new Redis(redis.url)
  application = await startApplicationProcess(settingsFor(tenant, redis.url, keys), everyLog)
  stop = application.stop
})

afterAll(async () => {
  await stop()
  connection.disconnect()
  await Promise.all([tenant.close(), redis.stop()])
})

it('a tour with all logging on leaves no secret in logs, events, responses or Redis, and no key without a TTL', async () => {
  const { origin } = application
  const secrets = new Set([...keys, 'a-session-secret-for-tests'])
  const responses: string[] = []
  const dumps: string[] = []

  const hear = async (response: Response): Promise<Response> => {
    // Set-Cookie and the redirect to the tenant must contain the cookie and the state.
    const headers = [...response.headers].filter(([name]) => name !== 'set-cookie' && name !== 'location')
    responses.push(JSON.stringify(headers))
    for (const cookie of response.headers.getSetCookie()) remember(cookie.split(';', 1)[0])
    const location = response.headers.get('location') ?? ''
    if (location.startsWith(tenant.origin)) remember(`=${new URL(location).searchParams.get('state')}`)
    else responses.push(location, await response.clone().text())
    return response
  }
  const remember = (pair = '') => {
    // The secret of a session cookie is its signature; the id alone gives no access.
    const value = decodeURIComponent(pair.slice(pair.indexOf('=') + 1))
    const secret = value.startsWith('s:') ? value.slice(value.indexOf('.') + 1) : (value.split(/\.\d+\.\d+$/)[0] ?? '')
    if (secret.length > 16) secrets.add(secret)
  }
  const look = async () => {
    for (const name of await connection.keys('*')) {
      // -1: it does not expire; -2: it is gone since.
      expect([name, await connection.ttl(name)]).not.toEqual([name, -1])
      dumps.push(
        name,
        String(await connection.dumpBuffer(name)),
        String((await connection.type(name)) === 'string' && (await connection.get(name))),
      )
    }
  }

  const visitor = await loggedIn(tenant, origin, 'ada', publicUrl)
  for (const [name, value] of visitor.browser.cookies(origin)) remember(`${name}=${value}`)
  await hear(await visitor.call(origin, '/private'))
  await hear(await visitor.call(origin, '/auth/session'))
  await hear(await visitor.call(origin))
  const { closed } = await visitor.openSocket(origin)
  await look()

  tenant.expireAccessTokens()
  await hear(await visitor.call(origin))
  tenant.expireAccessTokens()
  tenant.faults.next({ grant: 'refresh_token', status: 500, body: 'oops' })
  await hear(await visitor.call(origin))
  for (const fault of [{ status: 500 }, { reset: true }, { resetMidBody: true }, { garbage: true }] as const) {
    tenant.faults.next({ path: '/api/v1/items', ...fault })
    await hear(await visitor.call(origin)).catch(() => {})
  }
  await hear(await visitor.call(origin, '/qlik/oauth/token'))

  const tab = browser()
  const begin = async () =>
    (await hear(await tab.get(`${origin}/auth/login?returnTo=/private`))).headers.get('location') ?? ''
  const local = (callback: string) => origin + callback.slice(publicUrl.length)
  const state = new URL(await begin()).searchParams.get('state')
  await look()
  await hear(
    await tab.get(
      `${origin}/auth/callback?error=access_denied&error_description=no&state=${encodeURIComponent(state ?? '')}`,
    ),
  )
  await hear(await tab.get(`${origin}/auth/callback?code=abc&state=unknown`))
  for (const fault of [
    { status: 401, body: { error: 'invalid_grant' } },
    { status: 500 },
    { garbage: true },
    { reset: true },
  ]) {
    const callback = local(await tenant.authorize(await begin(), 'ben'))
    tenant.faults.next({ path: '/oauth/token', ...fault })
    await hear(await tab.get(callback))
    await hear(await tab.get(callback, { accept: 'application/json' }))
  }
  const unread = local(await tenant.authorize(await begin(), 'ben'))
  tenant.faults.next({ path: '/api/v1/users/me', status: 500 })
  await hear(await tab.get(unread))

  const refused = await loggedIn(tenant, origin, 'ben', publicUrl)
  tenant.revokeRefreshTokens()
  tenant.expireAccessTokens()
  await hear(await refused.call(origin))
  tenant.faults.always({ path: '/oauth/revoke', status: 500 })
  await hear(await visitor.logOut(origin))
  expect(await closed).toBe(4006)
  await look()
  await hear(await visitor.call(origin))
  await until(() => application.named('revocationFailed').length > 0)

  for (const secret of tenant.issuedSecrets()) secrets.add(secret)
  for (const { body } of tenant.tokenRequests('authorization_code')) secrets.add(String(body?.code_verifier))
  const names = ['login', 'loginEnded', 'refresh', 'refreshFailed', 'denied', 'proxy', 'socket'] as const
  expect(names.filter(name => application.named(name).length === 0)).toEqual([])
  expect(application.output()).toContain('ioredis:redis')
  expect(dumps.length).toBeGreaterThan(0)
  expect(secrets.size).toBeGreaterThan(20)
  const places = { output: application.output(), responses: responses.join('\n'), dumps: dumps.join('\n') }
  const found = Object.entries(places).flatMap(([place, text]) =>
    [...secrets].filter(secret => text.includes(secret)).map(secret => [place, secret]),
  )
  expect(found).toEqual([])
})
