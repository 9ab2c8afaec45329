import { describe, expect, it } from '@jest/globals'
import { type QlikClientOptions, qlikClient } from './client.ts'
import { clientSecretBasic, clientSecretPost, noClientAuthentication, privateKeyJwt } from './client-authentication.ts'

const tenant = 'https://acme.eu.qlikcloud.com'
const clientId = 'web'

describe('the options of qlikClient', () => {
  it.each<[object, string]>([
    [{ clientid: 'web' }, 'qlikClient has no option clientid. Did you mean clientId?'],
    [{ secret: 'hush' }, 'Did you mean clientSecret?'],
    [{ scopes: 'a' }, 'Did you mean scope?'],
    [{ timeout: 5 }, 'Did you mean timeoutMs?'],
    [{ redirectUri: 'x' }, 'Its options are aliases, apiVersion, authentication, clientId'],
    [{ clientId: '' }, 'clientId must be a non-empty string of visible ASCII characters, got ""'],
    [{ clientId: undefined }, 'clientId must be a non-empty string of visible ASCII characters, got undefined'],
    [{ clientSecret: '' }, 'clientSecret must be a string of visible ASCII characters, got an empty string'],
    [{ clientSecret: 7 }, 'clientSecret must be a string of visible ASCII characters, got number'],
    [
      { clientSecret: 'hush', authentication: noClientAuthentication() },
      'either clientSecret or authentication, not both',
    ],
    [{ authentication: clientSecretPost }, 'authentication must be what clientSecretPost(…)'],
    [{ authentication: 'client_secret_basic' }, 'authentication must be what clientSecretPost(…)'],
    [{ tier: 'regional' }, 'tier must be "tenant", "region" or "organization", got "regional"'],
    [{ issuer: 'acme' }, 'issuer must be a URL'],
    [{ scope: '' }, 'scope must be names separated by spaces'],
    [{ scope: ['a'] }, 'scope must be names separated by spaces'],
    [{ timeoutMs: '5' }, 'timeoutMs must be a whole number of at least 1 and at most 2147483647, got "5"'],
    [{ timeoutMs: Number.POSITIVE_INFINITY }, 'timeoutMs must be a whole number'],
    [{ tenant: 'acme.eu.qlikcloud.com' }, 'Did you mean "https://acme.eu.qlikcloud.com"?'],
    [{ tenant: 'https://acme.eu.qlikcloud.com/api' }, 'Did you mean "https://acme.eu.qlikcloud.com"?'],
    [{ tenant: 'http://acme.eu.qlikcloud.com' }, 'http is accepted on loopback'],
    [{ tenant: 'https://ann:pw@acme.eu.qlikcloud.com' }, 'without a user name or password'],
  ])('are checked at once: %j', (changed, message) => {
    expect(() => qlikClient({ tenant, clientId, ...changed } as QlikClientOptions)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION', message: expect.stringContaining(message) }),
    )
  })

  it.each([undefined, null, 'text', []])('must be an object, not %j', options => {
    expect(() => qlikClient(options as never)).toThrow(expect.objectContaining({ code: 'ERR_CONFIGURATION' }))
  })

  it('are not repeated in messages where they are secret', () => {
    const message = messageOf(() => qlikClient({ tenant, clientId, clientSecret: ['hush'] as never }))
    expect(message).not.toContain('hush')
    expect(messageOf(() => qlikClient({ tenant: 'https://ann:hush@acme.example', clientId }))).not.toContain('hush')
  })

  it('are refused by the compiler as well', () => {
    const check = (): unknown[] => [
      // @ts-expect-error: contradictory
      qlikClient({ tenant, clientId, clientSecret: 'hush', authentication: clientSecretBasic('hush') }),
      // @ts-expect-error: misspelt
      qlikClient({ tenant, clientId, clientsecret: 'hush' }),
      // @ts-expect-error: missing
      qlikClient({ tenant }),
      // @ts-expect-error: the function instead of what it returns
      qlikClient({ tenant, clientId, authentication: clientSecretBasic }),
      // @ts-expect-error: not a tier
      qlikClient({ tenant, clientId, tier: 'regional' }),
      // @ts-expect-error: not an algorithm that Qlik accepts
      privateKeyJwt({ key: 'pem', keyId: 'one', algorithm: 'HS256' }),
      qlikClient({ tenant, clientId, clientSecret: 'hush' }),
      qlikClient({ tenant, clientId, authentication: clientSecretBasic('hush') }),
      qlikClient({ tenant, clientId }),
    ]
    expect(check).toThrow()
  })
})

describe('the options of privateKeyJwt', () => {
  it.each<[object, string]>([
    [{ keyid: 'one' }, 'Did you mean keyId?'],
    [{ key: undefined }, 'key of privateKeyJwt must be a private key'],
    [{ keyId: undefined }, 'privateKeyJwt needs a keyId'],
    [{ algorithm: 'HS256' }, 'algorithm of privateKeyJwt must be ES384, RS256 or RS512'],
  ])('are checked at once: %j', (changed, message) => {
    const options = { key: { kty: 'EC' }, keyId: 'one', algorithm: 'ES384', ...changed }
    expect(() => privateKeyJwt(options as never)).toThrow(message)
  })
})

function messageOf(call: () => unknown): string {
  try {
    call()
    return ''
  } catch (error) {
    return String(error)
  }
}
