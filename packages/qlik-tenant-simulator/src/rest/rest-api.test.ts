import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { WebSocket } from 'ws'
import {
  bearer,
  call,
  callback,
  codeGrant,
  errorCode,
  logIn,
  post,
  requestCode,
  type TestResponse,
} from '../../test/support/client.ts'
import type { AnalyticsApp } from '../apps/catalogue.ts'
import { createTenant, type SimulatedTenant } from '../index.ts'
import { appRoutes } from './apps.ts'
import { contentRoutes } from './contents.ts'
import { oauthClientRoutes } from './oauth-clients.ts'
import { oauthTokenRoutes } from './oauth-tokens.ts'
import { platformRoutes } from './platform.ts'
import { spaceRoutes } from './spaces.ts'
import { tenantRoutes } from './tenants.ts'
import { userRoutes } from './users.ts'

const app = (id: string, name: string, spaceId?: 'space-analytics' | 'space-finance'): AnalyticsApp => ({
  id,
  name,
  description: `About ${name}`,
  ...(spaceId === undefined ? {} : { spaceId }),
  ownerId: 'ada',
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: `2026-01-0${id}T00:00:00.000Z`,
  sheets: [],
  objects: [],
  data: () => [{ Year: 2000, Country: 'Chile' }],
})
const apps = [
  app('1', 'Alpha', 'space-analytics'),
  app('2', 'Beta', 'space-finance'),
  app('3', 'Gamma', 'space-analytics'),
  app('4', 'Mine'),
]

let tenant: SimulatedTenant
const authorization: Record<string, { authorization: string }> = {}
beforeAll(async () => {
  tenant = await createTenant({ apps, keptUploadBytes: 1000, streamIntervalMs: 1 })
  tenant.registerClient({
    clientId: 'admin-web',
    clientSecret: 'admin-web-secret',
    appType: 'web',
    redirectUris: [callback],
    allowedScopes: ['user_default', 'admin_classic'],
  })
  for (const user of ['ada', 'ben', 'cleo']) authorization[user] = bearer(await logIn(tenant, user))
  const client = { client_id: 'admin-web', client_secret: 'admin-web-secret' }
  const code = await requestCode(tenant, 'tess', { client_id: 'admin-web', scope: 'user_default admin_classic' })
  authorization.tess = bearer((await post(`${tenant.origin}/oauth/token`, codeGrant(code, client))).body)
})
afterAll(() => tenant.close())

const get = (path: string, user = 'ada', headers = {}) =>
  call(tenant.origin + path, { headers: { ...authorization[user], ...headers } })
const send = (method: string, path: string, body: unknown, user = 'tess') =>
  call(tenant.origin + path, {
    method,
    body: JSON.stringify(body),
    headers: { ...authorization[user], 'content-type': 'application/json' },
  })
const names = ({ body }: TestResponse) => (body.data as { name: string }[]).map(({ name }) => name)
const href = ({ body }: TestResponse, link: string) =>
  (body.links as Record<string, { href: string | null }>)[link]?.href

describe('the REST API', () => {
  it('authenticates before it routes', async () => {
    expect((await call(`${tenant.origin}/api/v1/nothing`)).status).toBe(401)
    expect((await get('/api/v1/items', 'ada', { authorization: 'Bearer x' })).status).toBe(401)
    expect((await get('/api/v1/nothing')).status).toBe(404)
    expect((await send('DELETE', '/api/v1/items', {})).status).toBe(405)
    expect((await get('/api/v1/items')).headers.getSetCookie()).toHaveLength(1)
  })

  it.each([
    ['ada', ['Alpha', 'Beta', 'Gamma', 'Mine']],
    ['ben', ['Alpha', 'Gamma']],
    ['cleo', []],
    ['tess', ['Alpha', 'Beta', 'Gamma', 'Mine']],
  ])('lists for %s the apps %j', async (user, expected) => {
    expect(names(await get('/api/v1/items?resourceType=app&sort=%2Bname', user))).toEqual(expected)
    expect((await get('/api/v1/apps/2', user)).status).toBe(expected.includes('Beta') ? 200 : 404)
  })

  it('pages with absolute links and cursors that are valid for one query', async () => {
    const first = await get('/api/v1/items?limit=3&sort=name')
    expect(names(first)).toEqual(['Alpha', 'Beta', 'Gamma'])
    expect(href(first, 'prev')).toBeNull()
    const next = String(href(first, 'next'))
    expect(next).toContain(`${tenant.origin}/api/v1/items?`)
    const second = await get(next.slice(tenant.origin.length))
    expect([names(second), href(second, 'next')]).toEqual([['Mine'], undefined])
    expect(names(await get(`${next.slice(tenant.origin.length)}&limit=3&sort=name`))).toEqual(['Mine'])
    expect(names(await get(String(href(second, 'prev')).slice(tenant.origin.length)))).toEqual([
      'Alpha',
      'Beta',
      'Gamma',
    ])
    expect((await get(next.slice(tenant.origin.length).replace('sort=name', 'sort=-name'))).status).toBe(400)
    for (const limit of ['0', '101', '-1', 'x']) expect((await get(`/api/v1/items?limit=${limit}`)).status).toBe(400)
    expect(names(await get('/api/v1/items?query=BET'))).toEqual(['Beta'])
  })

  it('redirects users/me, and shows other users to administrators only', async () => {
    expect((await get('/api/v1/users/me')).headers.get('location')).toBe('/api/v1/users/ada')
    expect((await get('/api/v1/users/ben')).status).toBe(404)
    expect((await get('/api/v1/users/ben', 'tess')).body).toMatchObject({ email: 'ben@example.com' })
    expect((await get('/api/v1/users')).status).toBe(403)
    const filter = encodeURIComponent('email eq "ben@example.com" or name sw "Cleo"')
    expect(names(await get(`/api/v1/users?filter=${filter}`, 'tess'))).toEqual(['Ben Okafor', 'Cleo Marchetti'])
    expect((await get('/api/v1/users?filter=x', 'tess')).status).toBe(400)
    expect((await get('/api/v1/tenants/me', 'ben')).status).toBe(302)
  })

  it('lets machine clients find users with user_default, and create them with admin_classic', async () => {
    const authorization = async (scope: string) => {
      const client = { client_id: 'demo-m2m', client_secret: 'demo-m2m-secret', grant_type: 'client_credentials' }
      return bearer((await post(`${tenant.origin}/oauth/token`, { ...client, scope })).body)
    }
    const found = `${tenant.origin}/api/v1/users?filter=${encodeURIComponent('email eq "ben@example.com" and status eq "active"')}`
    const { status, body } = await call(found, { headers: await authorization('user_default') })
    expect([status, body]).toEqual([200, expect.objectContaining({ data: [expect.objectContaining({ id: 'ben' })] })])

    const create = async (scope: string) => {
      const headers = { ...(await authorization(scope)), 'content-type': 'application/json' }
      const user = JSON.stringify({ name: 'New', email: 'new@example.com', subject: 'new' })
      return (await call(`${tenant.origin}/api/v1/users`, { method: 'POST', headers, body: user })).status
    }
    expect([await create('user_default'), await create('admin_classic user_default')]).toEqual([403, 201])
  })

  it('creates, exports, imports and deletes apps', async () => {
    const created = await send('POST', '/api/v1/apps', { attributes: { name: 'New' } }, 'ben')
    const { id } = (created.body as { attributes: { id: string } }).attributes
    expect((await get(`/api/v1/apps/${id}`, 'ada')).status).toBe(404)
    const exported = await fetch(`${tenant.origin}/api/v1/apps/1/export`, {
      method: 'POST',
      headers: authorization.ben ?? {},
    })
    const imported = await call(`${tenant.origin}/api/v1/apps/import?name=Copy`, {
      method: 'POST',
      body: await exported.arrayBuffer(),
      headers: authorization.ben ?? {},
    })
    const copy = (imported.body as { attributes: { id: string } }).attributes.id
    expect((await get(`/api/v1/apps/${copy}/data/metadata`, 'ben')).body).toMatchObject({
      fields: [{ name: 'Year' }, { name: 'Country' }],
    })
    expect((await send('DELETE', '/api/v1/apps/1', {}, 'ben')).status).toBe(404)
    for (const own of [id, copy]) expect((await send('DELETE', `/api/v1/apps/${own}`, {}, 'ben')).status).toBe(200)
  })

  it('assigns users to spaces', async () => {
    const path = '/api/v1/spaces/space-finance/assignments'
    const cleo = { type: 'user', assigneeId: 'cleo', roles: ['facilitator'] }
    expect((await send('POST', path, cleo, 'cleo')).status).toBe(404)
    expect((await send('POST', path, cleo, 'ada')).status).toBe(403)
    const both = await Promise.all([send('POST', path, cleo), send('POST', path, cleo)])
    expect(both.map(({ status }) => status).sort()).toEqual([201, 409])
    expect(names(await get('/api/v1/items', 'cleo'))).toEqual(['Beta'])
    const { body } = await get(path, 'cleo')
    const assignments = body.data as { id: string; assigneeId: string; roles: string[] }[]
    expect(assignments.map(({ assigneeId, roles }) => [assigneeId, ...roles])).toEqual([
      ['ada', 'consumer'],
      ['cleo', 'facilitator'],
      ['tess', 'consumer'],
    ])
    expect((await send('DELETE', `${path}/${assignments[1]?.id}`, {})).status).toBe(204)
    expect(names(await get('/api/v1/items', 'cleo'))).toEqual([])
  })

  it.each(['/api/v1/items', '/api/v1/spaces'])('serves the links in %s', async path => {
    const { body } = await get(path)
    const links = (body.data as { links: Record<string, { href: string }> }[]).flatMap(entry =>
      Object.entries(entry.links),
    )
    const own = links.filter(([name]) => name !== 'open').map(([, { href }]) => href.slice(tenant.origin.length))
    expect(own.length).toBeGreaterThan(3)
    for (const link of own) expect([link, (await get(link)).status]).toEqual([link, 200])
  })

  it('keeps the beginning of an upload and serves ranges', async () => {
    const body = Buffer.concat([Buffer.from('head'), Buffer.alloc(2000)])
    const created = await call(`${tenant.origin}/api/v1/temp-contents?filename=a.bin`, {
      method: 'POST',
      body,
      headers: authorization.ada ?? {},
    })
    const path = String(created.headers.get('location')).slice(tenant.origin.length)
    const all = await fetch(tenant.origin + path, { headers: authorization.ada ?? {} })
    expect(Buffer.from(await all.arrayBuffer()).equals(body)).toBe(true)
    const part = await get(path, 'ada', { range: 'bytes=1-3' })
    expect([part.status, part.body.text, part.headers.get('content-range')]).toEqual([206, 'ead', 'bytes 1-3/2004'])
    expect((await get(path, 'ada', { range: 'bytes=9999-' })).status).toBe(416)
    expect((await get(path, 'ada', { 'if-none-match': String(all.headers.get('etag')) })).status).toBe(304)
    expect((await get(path, 'ben')).status).toBe(404)
  })

  it('accepts resumable uploads', async () => {
    const tus = { 'tus-resumable': '1.0.0', ...authorization.ada }
    const begun = await call(`${tenant.origin}/api/v1/temp-contents/files`, {
      method: 'POST',
      headers: { ...tus, 'upload-length': '6' },
    })
    const location = String(begun.headers.get('location'))
    const append = (offset: string, body: string) =>
      call(location, {
        method: 'PATCH',
        body,
        headers: { ...tus, 'upload-offset': offset, 'content-type': 'application/offset+octet-stream' },
      })
    expect((await append('0', 'abc')).headers.get('upload-offset')).toBe('3')
    expect((await append('0', 'abc')).status).toBe(409)
    expect((await call(location, { method: 'HEAD', headers: tus })).headers.get('upload-offset')).toBe('3')
    expect((await append('3', 'def')).status).toBe(204)
    expect((await get(`/api/v1/temp-contents/${location.split('/').at(-1)}`)).body.text).toBe('abcdef')
  })

  it('streams events, and compresses on request', async () => {
    const { body, headers } = await send(
      'POST',
      '/api/v1/assistants/a/threads/t/actions/stream',
      { input: { prompt: 'two words' } },
      'ada',
    )
    expect(headers.get('content-type')).toBe('text/event-stream')
    expect(body.text).toMatch(/"two"[\s\S]*"words"[\s\S]*event: end/)
    expect((await get('/api/v1/items', 'ada', { 'accept-encoding': 'gzip' })).headers.get('content-encoding')).toBe(
      'gzip',
    )
    expect(
      (await get('/api/v1/items', 'ada', { 'accept-encoding': 'identity' })).headers.get('content-encoding'),
    ).toBeNull()
  })

  it('lists and revokes tokens', async () => {
    const tokens = await logIn(tenant, 'ben')
    const { body } = await get('/api/v1/oauth-tokens', 'ben')
    const ids = (body.data as { id: string; userId: string }[]).map(({ id, userId }) => [id, userId])
    expect(ids.every(([, user]) => user === 'ben')).toBe(true)
    expect((await send('DELETE', `/api/v1/oauth-tokens/${ids.at(-1)?.[0]}`, {}, 'ben')).status).toBe(204)
    expect((await call(`${tenant.origin}/api/v1/users/me`, { headers: bearer(tokens) })).status).toBe(401)
  })

  it('rejects the Host of another server', async () => {
    const message = httpRequest(`${tenant.origin}/api/v1/items`, {
      headers: { host: 'app.example.com', ...authorization.ada },
    }).end()
    const [response] = (await once(message, 'response')) as [IncomingMessage]
    expect(response.resume().statusCode).toBe(421)
  })
})

describe('OAuth clients', () => {
  const path = '/api/v1/oauth-clients'

  it('are created, changed, given secrets and deleted by administrators', async () => {
    expect((await send('POST', path, { appType: 'web', clientName: 'x' }, 'ada')).status).toBe(403)
    const created = await send('POST', path, {
      appType: 'web',
      clientName: 'Made',
      redirectUris: [callback],
      allowedScopes: ['user_default'],
    })
    expect([created.status, typeof created.body.clientSecret]).toEqual([201, 'string'])
    const own = `${path}/${String(created.body.clientId)}`
    expect((await get(own, 'tess')).body).not.toHaveProperty('clientSecret')
    expect(
      (await send('PATCH', own, [{ op: 'add', path: '/redirectUris/-', value: 'https://a.example/cb' }])).status,
    ).toBe(204)
    expect((await get(own, 'tess')).body).toMatchObject({
      redirectUris: [callback, 'https://a.example/cb'],
      connectionConfig: { consentMethod: 'required' },
    })
    expect((await send('PATCH', own, [{ op: 'replace', path: '/appType', value: 'spa' }])).status).toBe(400)
    expect(
      (await send('PATCH', own, [{ op: 'replace', path: '/redirectUris', value: ['http://a.example'] }])).status,
    ).toBe(400)
    expect(
      (
        await send('PATCH', `${own}/connection-configs/me`, [
          { op: 'replace', path: '/consentMethod', value: 'trusted' },
        ])
      ).status,
    ).toBe(204)
    expect((await send('POST', `${own}/actions/publish`, {})).status).toBe(201)
    const hints: string[] = []
    for (let count = 0; count < 4; count++)
      hints.push(String((await send('POST', `${own}/client-secrets`, {})).body.hint))
    expect((await send('POST', `${own}/client-secrets`, {})).status).toBe(409)
    expect((await send('DELETE', `${own}/client-secrets/${hints[0]}`, {})).status).toBe(204)
    expect((await send('DELETE', own, {})).status).toBe(204)
    expect((await get(own, 'tess')).status).toBe(404)
  })

  it('get a secret when client_secret becomes allowed', async () => {
    const created = await send('POST', path, {
      appType: 'web',
      clientName: 'Keys',
      allowedAuthMethods: ['private_key_jwt'],
      publicKeys: [{ kty: 'EC', kid: '1' }],
    })
    expect(created.body).not.toHaveProperty('clientSecret')
    const patch = [{ op: 'add', path: '/allowedAuthMethods/-', value: 'client_secret' }]
    expect((await send('PATCH', `${path}/${String(created.body.clientId)}`, patch)).status).toBe(202)
  })

  it('are filtered', async () => {
    const found = await get(`${path}?filter=${encodeURIComponent('appType eq "spa"')}&totalResults=true`, 'tess')
    expect(found.body).toMatchObject({ data: [{ clientId: 'demo-spa' }], totalResults: 1 })
  })
})

/** Logs in with a client that is allowed these scopes only. */
async function tokenWith(...scopes: string[]): Promise<{ authorization: string }> {
  const clientId = `narrow-${scopes.join('-')}`
  const clientSecret = 'narrow-secret'
  tenant.registerClient({ clientId, clientSecret, appType: 'web', redirectUris: [callback], allowedScopes: scopes })
  const code = await requestCode(tenant, 'ada', { client_id: clientId, scope: scopes.join(' ') })
  const client = { client_id: clientId, client_secret: clientSecret }
  return bearer((await post(`${tenant.origin}/oauth/token`, codeGrant(code, client))).body)
}

describe('scopes', () => {
  const routes = [
    ...appRoutes,
    ...contentRoutes,
    ...oauthClientRoutes,
    ...oauthTokenRoutes,
    ...platformRoutes,
    ...spaceRoutes,
    ...tenantRoutes,
    ...userRoutes,
  ]
  const open = [
    'GET /api/v1/boot/core-init',
    'GET /api/v1/csrf-token',
    'GET /api/v1/features',
    'GET /api/v1/user-locale',
    'GET /api/v1/users/me',
    'GET /api/v1/users/{id}',
  ]

  it('are required at every API but those of the token itself', async () => {
    const headers = { ...(await tokenWith('identity.name:read')), 'content-type': 'application/json' }
    const allowed = []
    for (const { method, path } of routes) {
      const url = tenant.origin + path.replace('{id}', 'ada').replaceAll(/\{\w+\}/g, '1')
      const body = method === 'POST' || method === 'PATCH' || method === 'PUT' ? { body: '{}' } : {}
      const response = await call(url, { method, headers, ...body })
      if (response.status !== 403) allowed.push(`${method} ${path}`)
    }
    expect(allowed.sort()).toEqual(open)
  })

  it('show the parts of a user that they name', async () => {
    const { body } = await call(`${tenant.origin}/api/v1/users/ada`, {
      headers: await tokenWith('identity.email:read'),
    })
    expect(body).toMatchObject({ email: 'ada@example.com' })
    expect(body).not.toHaveProperty('name')
  })

  it('for one type of space allow creating spaces of that type', async () => {
    const headers = { ...(await tokenWith('spaces.shared')), 'content-type': 'application/json' }
    const create = async (type: string) => {
      const body = JSON.stringify({ name: `A ${type} space`, type })
      return (await call(`${tenant.origin}/api/v1/spaces`, { method: 'POST', headers, body })).status
    }
    expect([await create('shared'), await create('managed')]).toEqual([201, 403])
    expect((await call(`${tenant.origin}/api/v1/spaces`, { headers })).status).toBe(200)
    expect((await call(`${tenant.origin}/api/v1/items`, { headers })).status).toBe(403)
  })
})

describe('a region client', () => {
  it('creates, deactivates and reactivates a tenant', async () => {
    const credentials = {
      grant_type: 'client_credentials',
      client_id: 'demo-region',
      client_secret: 'demo-region-secret',
    }
    const region = bearer((await post(`${tenant.regionOrigin}/oauth/token`, credentials)).body)
    expect((await post(`${tenant.regionOrigin}/api/v1/tenants`, { licenseKey: '' }, region)).status).toBe(400)
    const created = await post(
      `${tenant.regionOrigin}/api/v1/tenants`,
      { licenseKey: 'key', datacenter: 'eu-west-1' },
      region,
    )
    expect(created.status).toBe(201)
    const origin = `http://${(created.body.hostnames as string[])[0]}`
    expect((await call(`${origin}/api/v1/users/me`, { headers: region })).status).toBe(401)
    const inside = bearer((await post(`${origin}/oauth/token`, credentials)).body)
    expect((await post(`${origin}/api/v1/oauth-clients`, { appType: 'web', clientName: 'First' }, inside)).status).toBe(
      201,
    )
    expect(
      (await call(`${origin}/api/v1/apps/import?name=Imported`, { method: 'POST', body: 'qvf', headers: inside }))
        .status,
    ).toBe(200)

    const act = (action: string) =>
      post(`${tenant.regionOrigin}/api/v1/tenants/${String(created.body.id)}/actions/${action}`, {}, region)
    expect((await act('deactivate')).status).toBe(200)
    expect(errorCode(await call(`${origin}/api/v1/items`, { headers: inside }))).toBe('TENANTS-9')
    expect((await act('reactivate')).status).toBe(204)
    expect((await call(`${origin}/api/v1/items`, { headers: inside })).status).toBe(200)
  })
})

describe('a region', () => {
  const regionClient = { client_id: 'demo-region', client_secret: 'demo-region-secret' }
  const tokenAt = (origin: string, client: Record<string, string>) =>
    post(`${origin}/oauth/token`, { grant_type: 'client_credentials', ...client })
  const create = async (datacenter: string) => {
    const region = bearer((await tokenAt(tenant.regionOrigin, regionClient)).body)
    return post(`${tenant.regionOrigin}/api/v1/tenants`, { licenseKey: 'key', datacenter }, region)
  }
  const machine = { appType: 'web', clientName: 'Machine', allowedGrantTypes: ['client_credentials'] }

  it.each(['us-east-1', 'eu-north-1', 'mars-1', 'constructor'])('does not create tenants in %s', async datacenter => {
    const response = await create(datacenter)
    expect([response.status, errorCode(response)]).toEqual([400, 'TENANTS-3'])
  })

  it('creates tenants without users, spaces and apps', async () => {
    const { body } = await create('eu-west-1')
    const origin = `http://${(body.hostnames as string[])[0]}`
    const headers = bearer((await tokenAt(origin, regionClient)).body)
    const list = async (path: string) => names(await call(`${origin}/api/v1/${path}`, { headers }))
    expect(await list('users')).toEqual(['qlikbot\\demo-region'])
    expect([await list('spaces'), await list('items')]).toEqual([[], []])
  })

  it('accepts a published client in all of its tenants, until it is deleted', async () => {
    const { body } = await create('eu-west-1')
    const other = `http://${(body.hostnames as string[])[0]}`
    const inOther = bearer((await tokenAt(other, regionClient)).body)
    const admins = [
      { home: tenant.origin, abroad: other, headers: authorization.tess ?? {} },
      { home: other, abroad: tenant.origin, headers: inOther },
    ]
    for (const { home, abroad, headers } of admins) {
      const created = await post(`${home}/api/v1/oauth-clients`, machine, headers)
      const { clientId, clientSecret } = created.body as Record<string, string>
      const client = { client_id: String(clientId), client_secret: String(clientSecret) }
      const path = `${home}/api/v1/oauth-clients/${clientId}`
      expect(errorCode(await tokenAt(abroad, client))).toBe('OAUTH-14')
      expect((await post(`${path}/actions/publish`, {}, headers)).status).toBe(201)
      expect((await tokenAt(abroad, client)).status).toBe(200)
      expect((await call(path, { method: 'DELETE', headers })).status).toBe(204)
      expect(errorCode(await tokenAt(abroad, client))).toBe('OAUTH-14')
    }
  })
})

describe('the engine socket', () => {
  const handshake = async (path: string, headers: Record<string, string> = {}): Promise<number> => {
    const socket = new WebSocket(tenant.origin.replace('http', 'ws') + path, { headers })
    const status = new Promise<number>(resolve => {
      socket.on('unexpected-response', (_request, response) => resolve(response.resume().statusCode ?? 0))
      socket.on('open', () => resolve(101))
      socket.on('error', () => {})
    })
    return status.finally(() => socket.terminate())
  }

  it('accepts a bearer token or an exchanged token only', async () => {
    const tokens = await logIn(tenant, 'ada')
    const { body } = await post(`${tenant.origin}/oauth/token`, {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      client_id: 'demo-web',
      subject_token: tokens.access_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      purpose: 'websocket',
    })
    expect(await handshake('/app/1')).toBe(401)
    expect(await handshake(`/app/1?accessToken=${tokens.access_token}`)).toBe(401)
    expect(await handshake(`/app/1?accessToken=${String(body.access_token)}`)).toBe(101)
    expect(await handshake('/app/1/identity/me/ttl/5', bearer(tokens))).toBe(101)
    expect(await handshake('/apps/1', bearer(tokens))).toBe(404)
    expect(await handshake('/app/1', { ...bearer(tokens), origin: 'https://evil.example' })).toBe(403)
    tenant.faults.next({ upgrade: true, status: 503 })
    expect(await handshake('/app/1', bearer(tokens))).toBe(503)
    tenant.expireAccessTokens()
    expect(await handshake('/app/1', bearer(tokens))).toBe(401)
  })

  it('requires a scope for apps', async () => {
    expect(await handshake('/app/1', await tokenWith('identity.name:read'))).toBe(403)
    expect(await handshake('/app/1', await tokenWith('apps:read'))).toBe(101)
  })

  it('opens the apps of others for administrators with an administrative scope only', async () => {
    const closeCode = async (scope: string) => {
      const client = { client_id: 'demo-m2m', client_secret: 'demo-m2m-secret', grant_type: 'client_credentials' }
      const headers = bearer((await post(`${tenant.origin}/oauth/token`, { ...client, scope })).body)
      const socket = new WebSocket(`${tenant.origin.replace('http', 'ws')}/app/4`, { headers })
      socket.once('message', () => socket.close(1000))
      const [code] = await once(socket, 'close')
      return code
    }
    expect([await closeCode('user_default'), await closeCode('admin_classic')]).toEqual([4203, 1000])
  })
})
