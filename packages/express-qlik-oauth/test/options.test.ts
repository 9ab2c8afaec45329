import { describe, expect, it } from '@jest/globals'
import session, { MemoryStore, type SessionOptions } from 'express-session'
import { memoryLoginStore, qlikClient } from 'qlik-oauth'
import { type OptionsUnderTest, type OptionTable, optionsOf, wrongOptions } from 'test-support/wrong-options'
import {
  exposeAccessTokens,
  type PathRule,
  type ProxyOptions,
  qlikAuth,
  qlikProxy,
  sessionCookie,
  singlePageClient,
} from '../src/index.ts'

const tenant = 'https://acme.eu.qlikcloud.com'
const publicUrl = 'https://app.example.com'
const tokens = { tenant, accessToken: async () => 'token' }
const authenticate = async () => ({ tokens })
const text = ["'x'", "'5'"]
const objects = ['{}', 'an object without a prototype']
const trustProxy = ['true', 'false', '0', 'a function']

const sessions = (changed: Partial<SessionOptions> = {}, url = publicUrl): SessionOptions => ({
  ...sessionCookie(url),
  secret: 'a-long-session-secret',
  store: new MemoryStore(),
  resave: false,
  saveUninitialized: false,
  ...changed,
})
const authOptions = (changed: Partial<SessionOptions> = {}, url = publicUrl) => ({
  tenant,
  clientId: 'c',
  clientSecret: 's',
  publicUrl: url,
  session: sessions(changed, url),
  store: memoryLoginStore(),
})

const proxyTable: OptionTable = {
  proxy: objects,
  'proxy.allow': [],
  'proxy.dangerouslyRunTenantPages': ['[]'],
  'proxy.trustProxy': trustProxy,
  'proxy.timeouts': objects,
  'proxy.timeouts.connectMs': [],
  'proxy.timeouts.headersMs': [],
  'proxy.timeouts.bodyMs': [],
  'proxy.timeouts.clientMs': [],
  'proxy.limits': objects,
  'proxy.limits.bodyBytes': [],
  'proxy.limits.urlBytes': [],
  'proxy.limits.decompressedBytes': [],
  'proxy.limits.waiting': [],
  'proxy.limits.requestsPerLogin': [],
  'proxy.limits.eventStreamsPerLogin': [],
  'proxy.connections': [],
  'proxy.onEvent': ['a function'],
  sockets: objects,
  'sockets.handshakeTimeoutMs': [],
  'sockets.pingSeconds': ['1.5'],
  'sockets.maxMessageBytes': [],
  'sockets.maxSockets': [],
  'sockets.maxSocketsPerLogin': [],
  'sockets.maxUpgradesPerMinute': [],
  'sockets.trustProxy': trustProxy,
  'sockets.onEvent': ['a function'],
  // Of qlikProxy itself.
  'sockets.mount': [],
  'proxy.publicUrl': [],
}

const factories: Readonly<Record<string, OptionsUnderTest>> = {
  qlikAuth: {
    make: qlikAuth,
    valid: () => authOptions(),
    table: {
      // Their fields are those of qlikProxy.
      proxy: objects,
      sockets: objects,
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
      tenants: [],
      tenantOf: [],
      publicUrl: [],
      session: [],
      // As express-session does, falsy names are replaced by its default.
      'session.name': ['null', 'false', '0', 'NaN', "''", ...text],
      'session.secret': [],
      'session.store': [],
      'session.cookie': ['a function'],
      store: [],
      idleSeconds: [],
      absoluteSeconds: [],
      refreshLeewaySeconds: ['0'],
      loginRateLimit: ['0'],
      home: [],
      cacheSeconds: ['0'],
      mount: [],
      routes: objects,
      frames: [],
      maxLoginsPerUser: ['0'],
      applicationUser: ['a function'],
      authorizationParams: ['a function', '{ a: 1 }', ...objects],
      hookTimeoutMs: [],
      logout: objects,
      onLogin: ['a function'],
      'routes.login': [],
      'routes.callback': [],
      'routes.logout': [],
      'routes.session': [],
    },
  },
  qlikProxy: {
    make: qlikProxy,
    valid: () => ({ authenticate, publicUrl }),
    table: { ...proxyTable, authenticate: ['a function'], publicUrl: [], mount: [] },
  },
  singlePageClient: {
    make: singlePageClient,
    valid: () => ({ tenant, clientId: 'c', publicUrl }),
    table: { tenant: [], clientId: text, publicUrl: [], callbackPath: [], callbackScript: [], scope: text },
  },
  exposeAccessTokens: {
    make: exposeAccessTokens,
    valid: () => ({
      client: qlikClient({ tenant, clientId: 'c', clientSecret: 's' }),
      store: memoryLoginStore(),
      scope: 'user_default',
      publicUrl,
      userOf: () => undefined,
    }),
    table: { client: [], store: [], scope: text, publicUrl: [], userOf: ['a function'] },
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
    const names = Object.keys(factory.table).filter(option => !option.includes('.'))
    expect(await optionsOf(factory)).toEqual(names.sort())
  })

  it.each([[undefined], [null], [''], ['app'], ['ftp://a'], [5]])('sessionCookie are refused: %p', url =>
    expect(() => sessionCookie(url as never)).toThrow(expect.objectContaining({ code: 'ERR_CONFIGURATION' })),
  )
})

describe('patterns of allow that match no request', () => {
  it.each([
    ['/oauth/**', "the tenant's login is never open"],
    ['/OAuth/authorize', "the tenant's login is never open"],
    ['/login', "the tenant's login is never open"],
    ['/logout/*', "the tenant's login is never open"],
    ['//x', 'paths with "//"'],
    ['/api//items', 'paths with "//"'],
    ['/api/../**', 'paths with "//", "." or ".."'],
    ['/./api/**', 'paths with "//", "." or ".."'],
    ['/api/v1/..', 'paths with "//", "." or ".."'],
    ['/api/v1/API-KEYS', '"/api/v1/api-keys/**"'],
    ['/api/v1/Api-Keys/**', '"/api/v1/api-keys/**"'],
    ['/api/*/api-keys/**', 'a path of credentials'],
    ['/API/v1/webhooks/*', '"/api/v1/webhooks/**"'],
    ['/api/v1/AUTOMATIONS/*', '"/api/v1/automations/*"'],
  ])('%s is refused: %s', (path, reason) => {
    const make = (rule: PathRule) => qlikProxy({ authenticate, publicUrl, proxy: { allow: ['/api/**', rule] } })
    const message = expect.stringContaining(reason)
    expect(() => make(path)).toThrow(expect.objectContaining({ code: 'ERR_CONFIGURATION', message }))
    expect(() => make({ path, methods: ['GET'] })).toThrow('allow[1] matches no request')
  })

  it.each([
    '/**',
    '/*',
    '/api/v1/api-keys',
    '/api/v1/webhooks/**',
    '/api/v1/automations/*',
    '/login-pages/**',
    '/a.b/~c',
  ])('%s is accepted', path =>
    expect(() => qlikProxy({ authenticate, publicUrl, proxy: { allow: [path] } })).not.toThrow(),
  )

  it('the compiler refuses methods that are never forwarded', () => {
    // @ts-expect-error: methods are upper case
    const lower: ProxyOptions = { allow: [{ path: '/api/**', methods: ['get'] }] }
    // @ts-expect-error: not forwarded
    const trace: ProxyOptions = { allow: [{ path: '/api/**', methods: ['TRACE'] }] }
    for (const proxy of [lower, trace]) expect(() => qlikProxy({ authenticate, publicUrl, proxy })).toThrow('methods')
  })
})

describe('dangerouslyRunTenantPages', () => {
  it.each(['/login/x', '/hub/page.html', '/api/v1/api-keys', '/api/../x', '/api/v1/%2e%2e/x.html'])(
    'refuses %s, which allow does not open',
    path =>
      expect(() => qlikProxy({ authenticate, publicUrl, proxy: { dangerouslyRunTenantPages: [path] } })).toThrow(
        expect.objectContaining({
          code: 'ERR_CONFIGURATION',
          message: expect.stringContaining(`must list paths that "allow" opens to GET, got "${path}"`),
        }),
      ),
  )

  it('refuses a path that allow opens to other methods only', () => {
    const proxy: ProxyOptions = {
      allow: [{ path: '/api/**', methods: ['POST'] }],
      dangerouslyRunTenantPages: ['/api/x.html'],
    }
    expect(() => qlikProxy({ authenticate, publicUrl, proxy })).toThrow('opens to GET')
  })
})

describe('trustProxy', () => {
  it.each(['1', ' 2 '])('refuses %j, which would be an address', trustProxy =>
    expect(() => qlikProxy({ authenticate, publicUrl, proxy: { trustProxy } })).toThrow(
      `Did you mean ${Number(trustProxy)}?`,
    ),
  )
})

describe('session cookies that browsers do not keep', () => {
  const local = 'http://localhost:3000'
  const past = new Date(Date.now() - 1000)
  it.each<[string, string, object, string, string?]>([
    ['another domain', 'sid', { domain: 'example.org' }, 'must be the host of publicUrl'],
    ['a domain below', 'sid', { domain: 'x.app.example.com' }, 'must be the host of publicUrl'],
    ['half a label', 'sid', { domain: 'ple.com' }, 'must be the host of publicUrl'],
    ['an empty domain', 'sid', { domain: '' }, 'must be the host of publicUrl'],
    ['a part of an address', 'sid', { domain: '0.0.1' }, 'must be the host of publicUrl', 'http://127.0.0.1:3000'],
    ['a domain that is a number', 'sid', { domain: 5 }, 'session.cookie.domain must be a domain name, got 5'],
    ['an end in the past', 'sid', { expires: past }, 'session.cookie.expires must be a date in the future'],
    [
      'an end that is no date',
      'sid',
      { expires: new Date('x') },
      'session.cookie.expires must be a date in the future',
    ],
    ['no age', 'sid', { maxAge: 0 }, 'session.cookie.maxAge must be a number of milliseconds above 0, got 0'],
    ['an age that is a date', 'sid', { maxAge: new Date() }, 'session.cookie.maxAge must be a number'],
    ['httpOnly 0', 'sid', { httpOnly: 0 }, 'session.cookie.httpOnly must be true or false, got 0'],
    ['partitioned without Secure', 'sid', { partitioned: true }, 'partitioned needs secure: true'],
    ['partitioned over http', 'sid', { partitioned: true, secure: 'auto' }, 'got "auto" with the publicUrl', local],
    ['sameSite None without Secure', 'sid', { sameSite: 'None' }, 'sameSite "none" needs secure: true'],
    ['sameSite none over http', 'sid', { sameSite: 'none', secure: 'auto' }, 'got "auto" with the publicUrl', local],
    ['a prefix in lower case', '__host-sid', {}, 'The name __host-sid needs session.cookie.secure: true'],
    ['a prefix in upper case', '__SECURE-sid', {}, 'The name __SECURE-sid needs session.cookie.secure: true'],
    ['__host- with a domain', '__host-sid', { secure: true, domain: 'example.com' }, 'allows no session.cookie.domain'],
    ['a list', 'sid', [], 'session.cookie must be an object'],
    ['another path', 'sid', { path: '/app' }, 'session.cookie.path must be "/"'],
    ['encode that is no function', 'sid', { encode: 'x' }, 'session.cookie.encode must be a function'],
    ['priority', 'sid', { priority: 'urgent' }, 'session.cookie is invalid'],
  ])('are refused: %s', (_kind, name, cookie, message, url = publicUrl) =>
    expect(() => qlikAuth(authOptions({ name, cookie: cookie as never }, url))).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION', message: expect.stringContaining(message) }),
    ),
  )

  it.each<[string, string, NonNullable<SessionOptions['cookie']>, string?]>([
    ['the host', 'sid', { domain: 'app.example.com' }],
    ['the domain above, in any spelling', 'sid', { domain: '.EXAMPLE.com' }],
    ['sameSite none, decided by the request', 'sid', { sameSite: 'none', secure: 'auto' }],
    ['partitioned', '__Host-sid', { partitioned: true, secure: true, sameSite: 'none' }],
    ['an end in the future', 'sid', { expires: new Date(Date.now() + 60_000) }],
    ['the address itself', 'sid', { domain: '127.0.0.1' }, 'http://127.0.0.1:3000'],
  ])('are not those with %s', (_kind, name, cookie, url = publicUrl) => {
    const options = authOptions({ name, cookie }, url)
    expect(() => qlikAuth(options)).not.toThrow()
    expect(() => session(options.session)).not.toThrow()
  })
})

describe('listeners', () => {
  const qlik = qlikAuth(authOptions())
  it.each([
    ['logedIn', 'qlikAuth has no event logedIn'],
    ['loginended', 'Did you mean loginEnded?'],
    ['error', 'Its events are denied, login'],
    [5, 'qlikAuth has no event 5'],
  ])('of the event %p are refused: %s', (name, message) =>
    expect(() => qlik.on(name as never, () => {})).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION', message: expect.stringContaining(message) }),
    ),
  )
  it('that are no function are refused', () =>
    expect(() => qlik.on('login', 'log' as never)).toThrow('The listener of login must be a function, got "log"'))
})
