import { describe, expect, it } from '@jest/globals'
import { refusedStart } from './support/demo-process.ts'

const tenantUrl = 'https://acme.eu.qlikcloud.com'
const client = { QLIK_TENANT_URL: tenantUrl, QLIK_CLIENT_ID: 'id', QLIK_CLIENT_SECRET: 'the-secret' }

describe('the start', () => {
  it.concurrent.each<[string, Record<string, string>]>([
    ['QLIK_TENANT_URL', { QLIK_TENANT_URL: 'http://acme.eu.qlikcloud.com' }],
    ['QLIK_CLIENT_ID', { QLIK_TENANT_URL: tenantUrl }],
    ['PORT', { ...client, PORT: 'eighty' }],
    ['SESSION_SECRET', { ...client, NODE_ENV: 'production' }],
  ])('stops with one line about %s', async (name, environment) => {
    expect(await complaint(environment)).toMatch(new RegExp(`^${name} `))
  })

  it.concurrent('names all that is wrong at once', async () => {
    const wrong = {
      QLIK_TENANT_URL: 'acme',
      PORT: '0',
      PUBLIC_URL: 'http://app.example.com',
      REDIS_URL: 'mysql://x',
      SESSION_IDLE_SECONDS: '-1',
      SESSION_ABSOLUTE_SECONDS: 'long',
      LOGIN_RATE_LIMIT: 'many',
      TRUST_PROXY: 'yes',
      LOG_LEVEL: 'loud',
    }
    const said = await complaint({ ...client, ...wrong })
    for (const name of Object.keys(wrong)) expect(said).toContain(name)
  })

  // Each secret is in one part "hunter" or in several.
  it.concurrent.each<[string, Record<string, string>]>([
    ['QLIK_CLIENT_SECRET', { QLIK_CLIENT_SECRET: 'hunter 2' }],
    ['QLIK_M2M_CLIENT_SECRET', { QLIK_M2M_CLIENT_ID: 'm2m', QLIK_M2M_CLIENT_SECRET: 'hunter 2' }],
    ['QLIK_ACCESS_CODE', { QLIK_ANONYMOUS_CLIENT_ID: 'a', QLIK_ACCESS_CODE: 'hunter 2' }],
    ['SESSION_SECRET', { SESSION_SECRET: 'a-long-hunter-secret,hunter' }],
    ['TOKEN_KEYS', { TOKEN_KEYS: `${'A'.repeat(43)}=,hunter` }],
    ['QLIK_TENANT_URL', { QLIK_TENANT_URL: 'https://ada:hunter@acme.eu.qlikcloud.com' }],
    ['REDIS_URL', { REDIS_URL: 'redis://:hunter@redis:99999' }],
    ['REDIS_URL', { REDIS_URL: 'rediss://ada:hunter@redis:6379/one' }],
    ['REDIS_URL', { REDIS_URL: 'redis://:hunter@one:6379,two:6379/1' }],
    ['REDIS_URL', { REDIS_URL: 'redis://:hunter,hunter@one:6379,redis://:hunter@two:port' }],
    ['REDIS_URL', { REDIS_URL: 'redis+sentinel://ada:hunter@one:26379,two:26379' }],
    ['REDIS_URL', { REDIS_URL: 'redis://ada:hunter@hunter@redis/hunter@redis:port' }],
    ['REDIS_URL', { REDIS_URL: 'redis://ada:6379#hunter@redis:6379' }],
    ['REDIS_URL', { REDIS_URL: 'redis://ada:6379/hunter@redis:6379' }],
    ['REDIS_URL', { REDIS_URL: 'redis://ada:hunter%zz@redis:6379' }],
    ['REDIS_URL', { REDIS_URL: 'redis://redis:6379?password=hunter' }],
    ['REDIS_URL', { REDIS_URL: 'redis://ada:hunter,redis:6379' }],
  ])('keeps to itself the secret in %s: %j', async (name, environment) => {
    const said = await complaint({ ...client, ...environment })
    expect(said).toMatch(new RegExp(`^${name} `))
    expect(said).not.toMatch(/hunter|the-secret/)
  })
})

/** Starts the demo with an environment that it refuses. @returns The one line it says. */
async function complaint(environment: Record<string, string>): Promise<string> {
  const { code, said } = await refusedStart(environment)
  expect([code, said.trim().split('\n').length]).toEqual([1, 1])
  return said
}
