import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from '@jest/globals'
import { EnvironmentError, readEnvironment } from './environment.ts'

const tenantUrl = 'https://acme.eu.qlikcloud.com'
const client = { QLIK_TENANT_URL: tenantUrl, QLIK_CLIENT_ID: 'id', QLIK_CLIENT_SECRET: 'the-secret' }
const key = `${'A'.repeat(43)}=`

describe('the environment', () => {
  it('needs a tenant and a client; everything else has a default', () => {
    expect(readEnvironment(client)).toMatchObject({
      tenant: tenantUrl,
      simulated: false,
      webClient: { clientId: 'id', clientSecret: 'the-secret', scope: 'user_default offline_access' },
      machineClient: undefined,
      anonymousClient: undefined,
      singlePageClientId: undefined,
      port: 3000,
      publicUrl: 'http://localhost:3000',
      redisUrl: undefined,
      idleSeconds: 1800,
      absoluteSeconds: 43_200,
      loginRateLimit: 60,
      trustedHops: 0,
      logLevel: 'info',
      cspExtra: [],
    })
  })

  it('has the clients of the simulator as defaults for a tenant on this machine', () => {
    const environment = readEnvironment({ QLIK_TENANT_URL: 'http://localhost:4000', QLIK_SPA_CLIENT_ID: 'my-spa' })
    expect(environment).toMatchObject({
      simulated: true,
      webClient: { clientId: 'demo-web' },
      machineClient: { clientId: 'demo-m2m' },
      anonymousClient: { accessCode: 'demo-access-code' },
      singlePageClientId: 'my-spa',
    })
  })

  it('generates the secrets that are not set, others at each start', () => {
    const [one, other] = [readEnvironment(client), readEnvironment(client)]
    expect(one.sessionSecrets).not.toEqual(other.sessionSecrets)
    expect(one.tokenKeys).not.toEqual(other.tokenKeys)
    expect(Buffer.from(one.tokenKeys[0] ?? '', 'base64')).toHaveLength(32)
  })

  it('splits lists, converts numbers and normalizes origins', () => {
    const environment = readEnvironment({
      ...client,
      QLIK_TENANT_URL: 'https://ACME.eu.qlikcloud.com/',
      PUBLIC_URL: ' https://app.example.com ',
      PORT: '8080',
      SESSION_SECRET: `${'a'.repeat(16)}, ${'b'.repeat(16)}`,
      TOKEN_KEYS: `${key},${key}`,
      QLIK_CSP_EXTRA: "https://cdn.qlikcloud.com blob: 'unsafe-inline'",
      TRUST_PROXY: '2',
    })
    expect(environment).toMatchObject({
      tenant: tenantUrl,
      publicUrl: 'https://app.example.com',
      port: 8080,
      sessionSecrets: ['a'.repeat(16), 'b'.repeat(16)],
      tokenKeys: [key, key],
      cspExtra: ['https://cdn.qlikcloud.com', 'blob:', "'unsafe-inline'"],
      trustedHops: 2,
    })
  })

  it.each<[string, Record<string, string>]>([
    ['QLIK_TENANT_URL', {}],
    ['QLIK_CLIENT_ID', { QLIK_TENANT_URL: tenantUrl }],
    ['QLIK_M2M_CLIENT_SECRET', { ...client, QLIK_M2M_CLIENT_ID: 'm2m' }],
    ['QLIK_ANONYMOUS_CLIENT_ID', { ...client, QLIK_ACCESS_CODE: 'code' }],
    ['SESSION_SECRET', { ...client, NODE_ENV: 'production', TOKEN_KEYS: key }],
    ['TOKEN_KEYS', { ...client, NODE_ENV: 'production', SESSION_SECRET: 'a'.repeat(16) }],
  ])('requires %s', (name, variables) => expect(messageFor(variables)).toMatch(new RegExp(`^${name} is not set: `)))

  it.each<[string, Record<string, string>]>([
    ['QLIK_TENANT_URL', { QLIK_TENANT_URL: 'http://acme.eu.qlikcloud.com' }],
    ['QLIK_TENANT_URL', { QLIK_TENANT_URL: `${tenantUrl}/path` }],
    ['QLIK_TENANT_URL', { QLIK_TENANT_URL: 'ftp://acme.eu.qlikcloud.com' }],
    ['QLIK_SCOPE', { QLIK_SCOPE: 'user_default "admin"' }],
    ['QLIK_CSP_EXTRA', { QLIK_CSP_EXTRA: "https://a; script-src 'none'" }],
    ['PORT', { PORT: 'eighty' }],
    ['PUBLIC_URL', { PUBLIC_URL: 'https://company.example/a/../b' }],
    ['PUBLIC_URL', { PUBLIC_URL: 'https://company.example//portal' }],
    ['SESSION_IDLE_SECONDS', { SESSION_IDLE_SECONDS: '61', SESSION_ABSOLUTE_SECONDS: '60' }],
  ])('rejects an invalid %s: %j', (name, variables) => {
    const message = messageFor({ ...client, ...variables })
    expect(message).toMatch(new RegExp(`^${name} must be `))
    expect(message).toContain(`got ${JSON.stringify(Object.values(variables)[0])}`)
  })

  it('accepts a path in PUBLIC_URL', () =>
    expect(readEnvironment({ ...client, PUBLIC_URL: 'https://company.example/portal/' }).publicUrl).toBe(
      'https://company.example/portal',
    ))

  it('names all invalid variables in one line', () => {
    const invalid = {
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
    const message = messageFor({ ...client, ...invalid })
    for (const name of Object.keys(invalid)) expect(message).toContain(name)
    expect(message).not.toContain('\n')
  })

  // Each secret contains "hunter" in one or more of its parts.
  it.each<[string, Record<string, string>]>([
    ['QLIK_CLIENT_SECRET', { QLIK_CLIENT_SECRET: 'hunter 2' }],
    ['QLIK_M2M_CLIENT_SECRET', { QLIK_M2M_CLIENT_ID: 'm2m', QLIK_M2M_CLIENT_SECRET: 'hunter 2' }],
    ['QLIK_ACCESS_CODE', { QLIK_ANONYMOUS_CLIENT_ID: 'a', QLIK_ACCESS_CODE: 'hunter 2' }],
    ['SESSION_SECRET', { SESSION_SECRET: 'a-long-hunter-secret,hunter' }],
    ['TOKEN_KEYS', { TOKEN_KEYS: `${key},hunter` }],
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
  ])('does not reveal the secret in an invalid %s: %j', (name, variables) => {
    const message = messageFor({ ...client, ...variables })
    expect(message).toMatch(new RegExp(`^${name} `))
    expect(message).not.toMatch(/hunter|the-secret/)
  })
})

describe('variables given as files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'qlik-demo-environment-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const file = (name: string, text: string) => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }

  it('are read without the line break at the end', () => {
    const environment = readEnvironment({
      QLIK_TENANT_URL: tenantUrl,
      QLIK_CLIENT_ID: 'id',
      QLIK_CLIENT_SECRET_FILE: file('client-secret', 'the-secret\n'),
      NODE_ENV: 'production',
      SESSION_SECRET_FILE: file('session', `${'a'.repeat(16)},${'b'.repeat(16)}\n`),
      TOKEN_KEYS_FILE: file('keys', `${key}\n`),
      REDIS_URL: 'redis://redis:6379',
      REDIS_PASSWORD_FILE: file('password', 'p@ss/word\n'),
    })
    expect(environment).toMatchObject({
      webClient: { clientSecret: 'the-secret' },
      sessionSecrets: ['a'.repeat(16), 'b'.repeat(16)],
      tokenKeys: [key],
      redisUrl: 'redis://:p%40ss%2Fword@redis:6379',
    })
  })

  it.each<[string, () => Record<string, string>]>([
    ['TOKEN_KEYS_FILE must name a readable file', () => ({ TOKEN_KEYS_FILE: join(folder, 'missing') })],
    ['TOKEN_KEYS_FILE must name a readable file', () => ({ TOKEN_KEYS_FILE: folder })],
    ['TOKEN_KEYS_FILE names an empty file', () => ({ TOKEN_KEYS_FILE: file('empty', '\n') })],
    ['TOKEN_KEYS and TOKEN_KEYS_FILE are both set', () => ({ TOKEN_KEYS: key, TOKEN_KEYS_FILE: file('both', key) })],
    ['TOKEN_KEYS must be one or more keys', () => ({ TOKEN_KEYS_FILE: file('short', 'hunter') })],
    ['REDIS_PASSWORD needs REDIS_URL', () => ({ REDIS_PASSWORD: 'hunter' })],
  ])('are refused: %s', (expected, variables) => {
    const message = messageFor({ ...client, ...variables() })
    expect(message).toContain(expected)
    expect(message).not.toMatch(/hunter|\n/)
  })
})

function messageFor(variables: Record<string, string>): string {
  try {
    readEnvironment(variables)
  } catch (error) {
    if (error instanceof EnvironmentError) return error.message
    throw error
  }
  throw new Error('The environment was accepted')
}
