import { describe, expect, it } from '@jest/globals'
import { type OptionsUnderTest, optionsOf, wrongOptions } from 'test-support/wrong-options'
import {
  anonymousTokens,
  impersonatedTokens,
  loopbackLogin,
  machineTokens,
  memoryLoginStore,
  oauthClients,
  privateKeyJwt,
  qlikClient,
  redisLoginStore,
  regionClient,
  tenantApi,
} from '../src/index.ts'

const tenant = 'https://acme.eu.qlikcloud.com'
const client = () => qlikClient({ tenant, clientId: 'c', clientSecret: 's' })
const shared = () => ({ client: client(), store: memoryLoginStore() })
const text = ["'x'", "'5'"]
const tokens = { tenant, accessToken: async () => 'token' }
const objects = ['{}', 'an object without a prototype']
const clientTable = {
  tenant: [],
  clientId: text,
  clientSecret: text,
  authentication: [],
  scope: text,
  tier: [],
  issuer: [],
  aliases: ['[]'],
  outbound: objects,
  apiVersion: [],
  timeoutMs: [],
}
const sharedTable = { client: [], store: [], refreshLeewaySeconds: ['0'], leaseMs: [], now: ['a function'] }
const redis = { call: async () => null, duplicate: () => redis, on: () => redis }

/** The factories that take options, and what each option accepts although it looks wrong. */
const factories: Readonly<Record<string, OptionsUnderTest>> = {
  qlikClient: {
    make: qlikClient,
    valid: () => ({ tenant, clientId: 'c' }),
    table: clientTable,
  },
  machineTokens: { make: machineTokens, valid: shared, table: { ...sharedTable, scope: text } },
  impersonatedTokens: { make: impersonatedTokens, valid: shared, table: { ...sharedTable, scope: text } },
  anonymousTokens: {
    make: anonymousTokens,
    valid: () => ({ ...shared(), accessCode: 'x' }),
    table: { ...sharedTable, accessCode: text, trackingCode: [] },
  },
  tenantApi: { make: tenantApi, valid: () => ({ tokens }), table: { tokens: [], timeoutMs: [] } },
  oauthClients: { make: oauthClients, valid: () => ({ tokens }), table: { tokens: [], timeoutMs: [] } },
  regionClient: {
    make: regionClient,
    valid: () => ({ region: 'eu', clientId: 'c', clientSecret: 's', store: memoryLoginStore() }),
    table: {
      region: [],
      store: [],
      registerOrigin: [],
      clientId: text,
      clientSecret: text,
      authentication: [],
      outbound: objects,
      apiVersion: [],
      timeoutMs: [],
    },
  },
  privateKeyJwt: {
    make: privateKeyJwt,
    valid: () => ({ key: { kty: 'EC', kid: 'k', alg: 'ES384' } }),
    table: { key: [], keyId: text, algorithm: [] },
  },
  redisLoginStore: {
    make: (options: never) => redisLoginStore(redis as never, options),
    valid: () => ({ keys: [Buffer.alloc(32, 1).toString('base64')] }),
    table: { keys: [], prefix: ["''", ...text], commandTimeoutMs: [], onEvent: ['a function'] },
  },
  memoryLoginStore: { make: memoryLoginStore, valid: () => ({}), table: { now: ['a function'] } },
  loopbackLogin: {
    // Every option is checked before the login begins; this signal ends it then.
    make: async (options: never) => {
      const ended = new Error('the login has begun')
      const begun = { signal: AbortSignal.abort(ended), ...(options as object) }
      await loopbackLogin(typeof options === 'object' ? (begun as never) : options).catch(error => {
        if (error !== ended) throw error
      })
    },
    valid: () => ({ client: client() }),
    table: {
      client: [],
      openBrowser: ['a function'],
      redirectUri: [],
      prompt: [],
      loginHint: [...text, "' '", 'a line end'],
      timeoutMs: [],
    },
  },
}

describe('the options of', () => {
  it.each(Object.keys(factories))('%s are refused with ERR_CONFIGURATION that names them', async name => {
    const factory = factories[name]
    if (factory === undefined) throw new Error('unreachable')
    expect(await wrongOptions(factory)).toEqual([])
  })

  it.each(Object.keys(factories))('%s are all in this table', async name => {
    const factory = factories[name]
    if (factory === undefined) throw new Error('unreachable')
    const tried = [...Object.keys(factory.table), ...(name === 'loopbackLogin' ? ['signal'] : [])]
    expect(await optionsOf(factory)).toEqual(tried.sort())
  })

  it.each([[5], ['x'], [null], [{}]])('loopbackLogin refuse the signal %j', async signal => {
    const options = { client: client(), signal } as never
    await expect(loopbackLogin(options)).rejects.toMatchObject({
      code: 'ERR_CONFIGURATION',
      message: expect.stringMatching(/^signal must be an AbortSignal/),
    })
  })

  it('an application whose getter throws fails with that error', () => {
    const error = new Error('the configuration cannot be read')
    const options = {
      tenant,
      get clientId(): string {
        throw error
      },
    }
    expect(() => qlikClient(options)).toThrow(error)
  })
})

describe('what a careless copy adds', () => {
  it.each([' hush', 'hush ', 'hush\n', 'hush\r\n', '\thush', 'hush\u00a0', '"hush" ', 'h\tush'])(
    'is refused in the secret %j, which is not repeated',
    secret => {
      const make = () => qlikClient({ tenant, clientId: 'c', clientSecret: secret })
      expect(make).toThrow(expect.objectContaining({ code: 'ERR_CONFIGURATION' }))
      expect(make).toThrow(expect.not.objectContaining({ message: expect.stringContaining('hush') }))
    },
  )

  it('is refused in the id, which is', () =>
    expect(() => qlikClient({ tenant, clientId: 'c\n' })).toThrow('got "c\\n"'))
})

describe('the prefix of redisLoginStore', () => {
  it.each(['a{', '{}', '{shared}:', 'a b', 'a\n', 'ä:'])('%j is refused', prefix => {
    const keys = [Buffer.alloc(32, 1).toString('base64')]
    expect(() => redisLoginStore(redis as never, { keys, prefix })).toThrow('without braces')
  })
})
