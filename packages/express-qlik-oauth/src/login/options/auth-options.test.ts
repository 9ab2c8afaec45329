import { createPublicKey, createSecretKey, generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import { MemoryStore } from 'express-session'
import { Redis } from 'ioredis'
import { clientSecretBasic, memoryLoginStore } from 'qlik-oauth'
import { type QlikAuthOptions, type QlikProxyOptions, qlikAuth, qlikProxy } from '../../index.ts'

const client = { tenant: 'https://acme.eu.qlikcloud.com', clientId: 'web' }
const secret = 'a-session-secret-for-tests'
const common = () => ({
  publicUrl: 'https://app.example.com',
  session: { secret, store: new MemoryStore() },
  store: memoryLoginStore(),
})
const several = () => ({ ...common(), tenants: [client], tenantOf: () => undefined })

/** What a JavaScript application may pass, whatever the types say. */
const unchecked: (options: unknown) => unknown = options => qlikAuth(options as QlikAuthOptions)
const refuses = (options: object, message: string | RegExp) =>
  expect(() => unchecked(options)).toThrow(
    expect.objectContaining({ code: 'ERR_CONFIGURATION', message: expect.stringMatching(message) }),
  )

describe('qlikAuth', () => {
  it('accepts the options of one tenant, and of several', () => {
    expect(() => qlikAuth({ ...common(), ...client })).not.toThrow()
    expect(() => qlikAuth(several())).not.toThrow()
  })

  it.each<[object, RegExp]>([
    [{ loginRatelimit: 5 }, /^qlikAuth has no option loginRatelimit\. Did you mean loginRateLimit\?$/],
    [{ publicURL: 'https://app.example.com' }, /Did you mean publicUrl\?/],
    [{ sockets: 7 }, /^sockets must be/],
    [{ sockets: { mount: '/x' } }, /^sockets has no option mount\./],
    [{ proxy: { mount: '/x' } }, /^proxy has no option mount\./],
    [{ sockets: { maxSocket: 5 } }, /^sockets has no option maxSocket\. Did you mean maxSockets\?$/],
    [{ proxy: { alow: [] } }, /^proxy has no option alow\. Did you mean allow\?$/],
    [{ proxy: { timeouts: { headerMs: 5 } } }, /^proxy\.timeouts has no option headerMs\. Did you mean headersMs\?$/],
    [{ proxy: { limits: { bodybytes: 5 } } }, /^proxy\.limits has no option bodybytes\. Did you mean bodyBytes\?$/],
    [{ proxy: { timeouts: null } }, /^proxy\.timeouts must be an object with options, got null\.$/],
    [{ proxy: { limits: null } }, /^proxy\.limits must be/],
    [{ proxy: { allow: [null] } }, /^allow\[0\] must be an object/],
    [{ proxy: { allow: [{ path: '/api/**' }] } }, /^allow\[0\]\.methods must be some of/],
    [
      { proxy: { allow: [{ path: '/api/**', methods: ['GET'], method: 'POST' }] } },
      /^allow\[0\] has no option method\./,
    ],
    [{ proxy: { timeouts: { clientMs: 2 ** 31 } } }, /at most 2147483647, got 2147483648\.$/],
    [{ absoluteSeconds: 9e15 }, /^absoluteSeconds must be a whole number of at least 1 and at most/],
    [{ colour: 'red' }, /^qlikAuth has no option colour\. Its options are absoluteSeconds, /],
  ])('refuses an option that does not exist: %j', (wrong, message) =>
    refuses({ ...common(), ...client, ...wrong }, message),
  )

  it.each<[object, RegExp]>([
    [{ onLogin: {} }, /^onLogin must be a function/],
    [{ onLogin: null }, /^onLogin must be a function.*got null\.$/],
    [{ applicationUser: async () => 'pat' }, /^applicationUser must be a function.*, got an async function\.$/],
    [{ applicationUser: 'userId' }, /^applicationUser must be a function.*session => session\.userId, got "userId"\.$/],
    [{ hookTimeoutMs: 0 }, /^hookTimeoutMs must be a whole number of at least 1/],
    [{ authorizationParams: 'prompt=login' }, /^authorizationParams must be an object/],
    [{ authorizationParams: null }, /^authorizationParams must be an object.*got null\.$/],
    [{ authorizationParams: { scope: 'x' } }, /^authorizationParams must not contain "scope".*by its option scope\.$/],
    [{ authorizationParams: { Redirect_URI: 'x' } }, /^authorizationParams must not contain "Redirect_URI"/],
    [{ authorizationParams: { 'a b': 'x' } }, /^authorizationParams must not contain "a b"/],
    [{ authorizationParams: { prompt: ['login'] } }, /^authorizationParams\.prompt must be a string/],
    [{ authorizationParams: { max_age: NaN } }, /^authorizationParams\.max_age must be .*, got NaN\.$/],
    [{ logout: true }, /^logout must be an object with options, got true\.$/],
    [{ logout: null }, /^logout must be an object/],
    [{ logout: { returnto: '/' } }, /^logout has no option returnto\. Did you mean returnTo\?$/],
    [{ logout: { tenant: 'yes' } }, /^logout\.tenant must be true or false/],
    [{ logout: { session: 'clear' } }, /^logout\.session must be "destroy" or "keep"/],
    [
      { logout: { returnTo: '//evil.example' } },
      /^logout\.returnTo must be a path such as "\/goodbye", or an https URL/,
    ],
    [{ logout: { returnTo: 'http://www.example.com' } }, /^logout\.returnTo must be/],
    [{ logout: { returnTo: '/auth/login' } }, /^logout\.returnTo must be/],
    [{ logout: { returnTo: 'javascript:alert(1)' } }, /^logout\.returnTo must be/],
  ])('refuses hooks and a logout that cannot work: %j', (wrong, message) =>
    refuses({ ...common(), ...client, ...wrong }, message),
  )

  it.each<[string, object, RegExp]>([
    ['no store', { store: undefined }, /^store must be redisLoginStore.*got undefined\.$/],
    ['a store without methods', { store: {} }, /got an object without saveTransaction/],
    ['part of a store', { store: { ...memoryLoginStore(), lock: 5 } }, /got an object without lock\.$/],
    ['a store of an older release', { store: { ...memoryLoginStore(), takeEnded: undefined } }, /without takeEnded\.$/],
    ['a Redis client as store', { store: new Redis({ lazyConnect: true }) }, /Wrap it: redisLoginStore/],
    ['no session', { session: undefined }, /^session must be/],
    ['a session without a store', { session: { secret } }, /^session\.store must be/],
    ['a home on another host', { home: 'https://evil.example' }, /^home must be a path on this application/],
    ['a home with two slashes', { home: '//evil.example' }, /^home must be/],
    ['a home within the login', { home: '/auth/login' }, /^home must be/],
    ['an empty home', { home: '' }, /^home must be/],
    ['idle longer than absolute', { idleSeconds: 10, absoluteSeconds: 9 }, /^idleSeconds \(10\) must not exceed/],
    ['a cache longer than idle', { idleSeconds: 10, cacheSeconds: 11 }, /^cacheSeconds \(11\) must not exceed/],
    ['a fraction of a second', { idleSeconds: 0.5 }, /^idleSeconds must be a whole number/],
    ['a number as text', { loginRateLimit: '60' }, /^loginRateLimit must be a whole number.*got "60"/],
    ['a negative limit of logins', { maxLoginsPerUser: -1 }, /^maxLoginsPerUser must be a whole number.*got -1/],
    [
      'a mount above the login routes',
      { mount: '/auth' },
      /^routes\.login \("\/auth\/login"\) and mount \("\/auth"\) must/,
    ],
    ['a mount below a login route', { mount: '/auth/session/qlik' }, /^routes\.session .* and mount /],
    ['a mount with a slash at its end', { mount: '/qlik/' }, /^mount must be a path/],
    ['a public URL with a query', { publicUrl: 'https://app.example.com/portal?a=1' }, /^publicUrl must be/],
    [
      'a mount that repeats the path of publicUrl',
      { publicUrl: 'https://app.example.com/portal', mount: '/portal/qlik' },
      /^mount must be a path below publicUrl.*Did you mean "\/qlik"\?$/,
    ],
    [
      'a mount that is the path of publicUrl',
      { publicUrl: 'https://app.example.com/qlik' },
      /^mount must be a path below publicUrl.*got "\/qlik"\. Choose another, such as "\/tenant"\.$/,
    ],
    [
      'a route that repeats the path of publicUrl',
      { publicUrl: 'https://app.example.com/portal', routes: { login: '/portal/login' } },
      /^routes\.login must be a path below publicUrl.*Did you mean "\/login"\?$/,
    ],
    ['an unknown route', { routes: { logn: '/login' } }, /^routes has no option logn\. Did you mean login\?$/],
    ['a route that is no path', { routes: { login: 'login' } }, /^routes\.login must be a path/],
    ['routes that are no object', { routes: '/login' }, /^routes must be an object/],
    [
      'two routes at one path',
      { routes: { login: '/auth/logout' } },
      /^routes\.logout .* must not equal routes\.login/,
    ],
    [
      'a route below the callback, where the tenants have theirs',
      { routes: { session: '/auth/callback/session' } },
      /^routes\.session .* must not equal routes\.callback .* or lie below it\.$/,
    ],
    ['a route below the mount', { routes: { login: '/qlik/login' } }, /^routes\.login .* and mount /],
    ['a home at a renamed route', { home: '/in', routes: { login: '/in' } }, /^home must be/],
  ])('refuses %s', (_what, wrong, message) => refuses({ ...common(), ...client, ...wrong }, message))

  it.each<[string, object, RegExp]>([
    ['that is missing', { secret: undefined }, /at least one secret/],
    ['in an empty list', { secret: [] }, /at least one secret/],
    ['that is short', { secret: 'keyboard cat' }, /at least 16 characters long; "openssl rand -hex 32" makes one\.$/],
    ['that is a short Buffer', { secret: Buffer.from('short') }, /at least 16 characters/],
    ['that is a number', { secret: 1234567890123456 }, /got number/],
    [
      'that is a public key',
      { secret: createPublicKey(generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' })) },
      /got a public key/,
    ],
    ['of which one is null', { secret: [secret, null] }, /got null/],
  ])('refuses a session secret %s, and does not repeat it', (_what, wrong, message) => {
    refuses({ ...common(), ...client, session: { secret, store: new MemoryStore(), ...wrong } }, message)
    refuses({ ...common(), ...client, session: { secret, store: new MemoryStore(), ...wrong } }, /^(?!.*short)/)
  })

  it.each([
    ['a Buffer', Buffer.alloc(32, 0xff)],
    ['a KeyObject', createSecretKey(Buffer.alloc(32, 0xff))],
    ['a list', [Buffer.alloc(32, 0xff), 'an-older-secret-for-tests']],
  ])('accepts %s as session secret, as express-session does', (_what, accepted) =>
    expect(() =>
      qlikAuth({ ...common(), ...client, session: { secret: accepted, store: new MemoryStore() } }),
    ).not.toThrow(),
  )

  it.each<[string, object, RegExp]>([
    ['a path outside publicUrl', { cookie: { path: '/portal' } }, /^session\.cookie\.path must be "\/"/],
    ['SameSite=None without Secure', { cookie: { sameSite: 'none' } }, /sameSite "none" needs secure/],
    ['Partitioned without Secure', { cookie: { partitioned: true } }, /partitioned needs secure/],
    [
      'a text for partitioned',
      { cookie: { partitioned: 'false', secure: 'auto' } },
      /partitioned must be true or false/,
    ],
    ['an unknown SameSite', { cookie: { sameSite: 'sometimes' } }, /^session\.cookie is invalid/],
    ['the prefix __Host- without Secure', { name: '__Host-sid', cookie: {} }, /needs session\.cookie\.secure/],
    [
      'the prefix __Host- with a domain',
      { name: '__Host-sid', cookie: { secure: true, domain: 'example.com' } },
      /allows no session\.cookie\.domain/,
    ],
    ['a name with a space', { name: 'my session' }, /^session\.name must be a cookie name/],
    ['a domain that is none', { cookie: { domain: 'a;b' } }, /^session\.cookie\.domain must be the host/],
  ])('refuses a session cookie with %s', (_what, wrong, message) =>
    refuses({ ...common(), ...client, session: { secret, store: new MemoryStore(), ...wrong } }, message),
  )

  it.each([
    { sameSite: 'none', secure: 'auto' },
    { partitioned: true, secure: 'auto' },
  ])('refuses the session cookie %j on http, where it is not Secure', cookie =>
    refuses(
      { ...common(), ...client, publicUrl: 'http://localhost', session: { secret, store: new MemoryStore(), cookie } },
      /needs secure: true.*got "auto" with the publicUrl/,
    ),
  )

  it('refuses a session cookie that is SameSite=None for https, and never Secure', () => {
    const cookie = { sameSite: 'auto' }
    refuses({ ...common(), ...client, session: { secret, store: new MemoryStore(), cookie } }, /sameSite "auto" needs/)
  })

  it('refuses a Secure session cookie on http', () =>
    refuses(
      {
        ...common(),
        ...client,
        publicUrl: 'http://localhost:3000',
        session: { ...common().session, cookie: { secure: true } },
      },
      /^session\.cookie\.secure needs an https publicUrl/,
    ))

  it.each<[string, object, RegExp]>([
    ['neither one tenant nor several', common(), /needs tenant and clientId, or tenants/],
    ['both', { ...several(), ...client }, /move tenant into the entries of tenants/],
    ['an option of one client beside several', { ...several(), scope: 'user_default' }, /move scope into the entries/],
    ['tenantOf with one tenant', { ...common(), ...client, tenantOf: () => undefined }, /^tenantOf applies to several/],
    ['several without tenantOf', { ...several(), tenantOf: undefined }, /^tenantOf must be a function/],
    ['tenants that are no list', { ...several(), tenants: {} }, /^tenants must be a list/],
    ['no tenants', { ...several(), tenants: [] }, /^tenants must be a list/],
    [
      'an unknown option of a tenant',
      { ...several(), tenants: [{ ...client, scopes: 'a' }] },
      /^tenants\[0\] \(https:\/\/acme\.eu\.qlikcloud\.com\): A tenant has no option scopes\. Did you mean scope\?/,
    ],
    [
      'an option of a tenant that is no object',
      { ...several(), tenants: [{ ...client, proxy: 5 }] },
      /^tenants\[0\].*proxy must be an object/,
    ],
  ])('refuses %s', (_what, options, message) => refuses(options, message))
})

describe('qlikProxy', () => {
  it.each<[string, object, RegExp]>([
    ['an unknown option', { access: async () => undefined }, /^qlikProxy has no option access/],
    ['no authenticate', { authenticate: undefined }, /^authenticate must be a function/],
    ['an unknown option of the proxy', { proxy: { connection: 5 } }, /^proxy has no option connection\b/],
    ['an unknown option of the sockets', { sockets: { maxMessageByte: 1 } }, /^sockets has no option maxMessageByte\b/],
    ['timeouts that are no object', { proxy: { timeouts: 5 } }, /^proxy\.timeouts must be an object/],
  ])('refuses %s', (_what, wrong, message) =>
    expect(() =>
      qlikProxy({
        publicUrl: 'https://app.example.com',
        authenticate: async () => undefined,
        ...wrong,
      } as QlikProxyOptions),
    ).toThrow(expect.objectContaining({ code: 'ERR_CONFIGURATION', message: expect.stringMatching(message) })),
  )
})

it('the types refuse what qlikAuth refuses', () => {
  const accepted: QlikAuthOptions[] = [
    { ...common(), ...client },
    { ...common(), ...client, authentication: clientSecretBasic('secret') },
    several(),
  ]
  // @ts-expect-error neither one tenant nor several
  const neither: QlikAuthOptions = common()
  // @ts-expect-error a tenant without its client
  const noClient: QlikAuthOptions = { ...common(), tenant: client.tenant }
  // @ts-expect-error one tenant and several
  const both: QlikAuthOptions = { ...several(), ...client }
  // @ts-expect-error an option of one client beside several
  const stray: QlikAuthOptions = { ...several(), scope: 'user_default' }
  // @ts-expect-error tenantOf with one tenant
  const rule: QlikAuthOptions = { ...common(), ...client, tenantOf: () => undefined }
  // @ts-expect-error several tenants without tenantOf
  const noRule: QlikAuthOptions = { ...common(), tenants: [client] }
  // @ts-expect-error a misspelt option
  const misspelt: QlikAuthOptions = { ...common(), ...client, loginRatelimit: 5 }
  // @ts-expect-error no store
  const noStore: QlikAuthOptions = { ...common(), ...client, store: undefined }
  for (const options of accepted) expect(() => qlikAuth(options)).not.toThrow()
  for (const options of [neither, noClient, both, stray, rule, noRule, misspelt, noStore])
    expect(() => qlikAuth(options)).toThrow(expect.objectContaining({ code: 'ERR_CONFIGURATION' }))
})
