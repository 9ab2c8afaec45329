import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import {
  anonymousTokens,
  authorizationCodeGrant,
  type ClientAuthenticationOptions,
  clientSecretBasic,
  clientSecretPost,
  currentUser,
  generateClientKeys,
  impersonatedTokens,
  isQlikBot,
  machineTokens,
  memoryLoginStore,
  oauthClients,
  privateKeyJwt,
  type QlikClient,
  type QlikClientSettings,
  qlikClient,
  refreshTokenGrant,
  regionClient,
  requestTokens,
  type TokenSource,
  tenantApi,
} from 'qlik-oauth'
import { createAuthorizationRequest, validateAuthorizationResponse } from 'qlik-oauth/internal'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'

let tenant: SimulatedTenant
const clients: QlikClient[] = []

beforeAll(async () => {
  tenant = await createTenant()
})
afterAll(async () => {
  await Promise.all(clients.map(one => one.close()))
  await tenant.close()
})

function createClient(
  options: Omit<QlikClientSettings, 'tenant'> & ClientAuthenticationOptions & { tenant?: string },
): QlikClient {
  const client = qlikClient({ tenant: tenant.origin, ...options })
  clients.push(client)
  return client
}

const machine = () => createClient({ clientId: 'demo-m2m', clientSecret: 'demo-m2m-secret' })
const api = (tokens: TokenSource) => tenantApi({ tokens })

describe('the tokens of each kind of client', () => {
  it('stand for the client itself', async () => {
    const me = await api(machineTokens({ client: machine(), store: memoryLoginStore() })).json({
      path: '/api/v1/users/me',
    })
    expect(isQlikBot({ subject: String(me.subject) })).toBe(true)
  })

  it('stand for the user named by id or by subject', async () => {
    const [user] = tenant.users
    const impersonator = createClient({ clientId: 'demo-impersonation', clientSecret: 'demo-impersonation-secret' })
    const tokensOf = impersonatedTokens({ client: impersonator, store: memoryLoginStore() })
    for (const named of [{ userId: user?.id ?? '' }, { subject: user?.subject ?? '' }]) {
      expect(await currentUser(impersonator, await tokensOf(named).accessToken())).toMatchObject({ id: user?.id })
    }
    await expect(tokensOf({ userId: 'nobody' }).accessToken()).rejects.toMatchObject({
      code: 'ERR_TOKEN_REFUSED',
      error: 'invalid_grant',
    })
  })

  it('stand for anonymous visitors', async () => {
    const page = createClient({ clientId: 'demo-anonymous' })
    const tokens = anonymousTokens({ client: page, store: memoryLoginStore(), accessCode: 'demo-access-code' })
    expect(await currentUser(page, await tokens.accessToken())).toHaveProperty('id')
    const wrong = anonymousTokens({ client: page, store: memoryLoginStore(), accessCode: 'guessed' })
    await expect(wrong.accessToken()).rejects.toMatchObject({ code: 'ERR_TOKEN_REFUSED' })
  })
})

describe('client authentication', () => {
  it.each(['ES384', 'RS256', 'RS512', 'secret in the body', 'Basic'] as const)(
    'with %s serves every confidential grant',
    async method => {
      const clientId = `every-grant ${method}`
      const secret = 'se:cret +%/'
      const keys =
        method === 'ES384' || method === 'RS256' || method === 'RS512' ? await generateClientKeys(method) : undefined
      tenant.registerClient({
        clientId,
        appType: 'web',
        redirectUris: ['https://app.example.com/callback'],
        allowedGrantTypes: ['client_credentials', 'urn:qlik:oauth:user-impersonation'],
        ...(keys === undefined
          ? { clientSecret: secret }
          : { allowedAuthMethods: ['private_key_jwt'], publicKeys: [keys.publicKey] }),
      })
      const basicOrBody = method === 'Basic' ? clientSecretBasic(secret) : clientSecretPost(secret)
      const web = createClient({
        clientId,
        authentication: keys === undefined ? basicOrBody : privateKeyJwt({ key: keys.privateKey }),
      })
      const store = memoryLoginStore()

      expect(await machineTokens({ client: web, store }).accessToken()).toEqual(expect.any(String))
      const userId = tenant.users[0]?.id ?? ''
      expect(await impersonatedTokens({ client: web, store })({ userId }).accessToken()).toEqual(expect.any(String))

      const redirectUri = 'https://app.example.com/callback'
      const request = await createAuthorizationRequest(web, { redirectUri, state: 'state' })
      const callback = new URL(await tenant.authorize(request.url, userId))
      const code = await validateAuthorizationResponse(web, callback.searchParams, 'state')
      const tokens = await requestTokens(web, authorizationCodeGrant(code, redirectUri, request.codeVerifier))
      expect(await requestTokens(web, refreshTokenGrant(tokens.refreshToken ?? ''))).toHaveProperty('accessToken')
    },
  )
})

describe('registered clients', () => {
  const registered = () => oauthClients({ tokens: machineTokens({ client: machine(), store: memoryLoginStore() }) })

  it('are created, changed and deleted', async () => {
    const admin = registered()
    const { clientId, clientSecret: secret } = await admin.create({
      appType: 'web',
      clientName: 'Reports',
      allowedScopes: ['user_default'],
    })
    expect(secret).toEqual(expect.any(String))
    expect(await admin.read(clientId)).toMatchObject({ clientId, clientName: 'Reports' })
    expect(await admin.read(clientId)).not.toHaveProperty('clientSecret')

    expect(await admin.patch(clientId, [{ op: 'replace', path: '/clientName', value: 'Better reports' }])).toEqual({})
    expect((await admin.read(clientId)).clientName).toBe('Better reports')

    const { hint } = await admin.createSecret(clientId)
    await admin.deleteSecret(clientId, hint)
    await admin.setConsentMethod(clientId, 'trusted')
    expect(await admin.connectionConfig(clientId)).toEqual({ consentMethod: 'trusted' })
    await admin.deleteConnectionConfig(clientId)
    await admin.publish(clientId)

    await admin.delete(clientId)
    await expect(admin.read(clientId)).rejects.toMatchObject({
      code: 'ERR_TENANT_REFUSED',
      responseStatus: 404,
      errors: [{ code: 'HTTP-404' }],
    })
  })

  it('return the secret that the tenant generates for a change', async () => {
    const { publicKey } = await generateClientKeys()
    const admin = registered()
    const { clientId } = await admin.create({
      appType: 'web',
      clientName: 'Keys',
      allowedAuthMethods: ['private_key_jwt'],
      publicKeys: [publicKey],
    })
    const changed = await admin.patch(clientId, [
      { op: 'replace', path: '/allowedAuthMethods', value: ['client_secret'] },
    ])
    expect(changed.clientSecret).toEqual(expect.any(String))
  })

  it('are listed over all pages, and filtered', async () => {
    const admin = registered()
    for (const name of ['One', 'Two', 'Three']) await admin.create({ appType: 'spa', clientName: `Page ${name}` })
    const names = []
    for await (const { clientName } of admin.list({ filter: 'clientName sw "Page "', limit: 1 })) names.push(clientName)
    expect(names).toEqual(['Page One', 'Page Three', 'Page Two'])
  })

  it('are not requested from another host that the tenant links to', async () => {
    const elsewhere = await createTenant()
    const href = `${elsewhere.origin}/api/v1/oauth-clients?page=2`
    tenant.faults.next({ path: '/api/v1/oauth-clients', body: { data: [], links: { next: { href } } } })
    await expect(registered().list().next()).rejects.toMatchObject({
      code: 'ERR_TENANT_RESPONSE',
      message: expect.stringContaining(`links to ${elsewhere.origin}, where the token is not sent`),
    })
    expect(elsewhere.requests).toHaveLength(0)
    await elsewhere.close()
  })

  it('are read with a renewed token after the old one was revoked', async () => {
    const admin = registered()
    await admin.list().next()
    tenant.revokeAccessTokens()
    expect((await admin.list().next()).done).toBe(false)
  })

  it('report Retry-After', async () => {
    tenant.faults.next({ path: '/api/v1/oauth-clients', retryAfter: 9 })
    await expect(registered().list().next()).rejects.toMatchObject({
      code: 'ERR_TENANT_REFUSED',
      responseStatus: 429,
      retryAfterSeconds: 9,
    })
  })

  it.each(['', '.', '..'])('cannot have the id %j', async clientId => {
    await expect(registered().read(clientId)).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' })
  })
})

describe('a region', () => {
  const credentials = { clientId: 'demo-region', clientSecret: 'demo-region-secret', store: memoryLoginStore() }

  it('creates a tenant, works inside it, deactivates and reactivates it', async () => {
    const region = regionClient({ ...credentials, region: 'eu', registerOrigin: tenant.regionOrigin })
    const { id, origin } = await region.createTenant({ licenseKey: 'license', datacenter: 'eu-west-1' })
    const inside = region.at(origin)
    const tokens = machineTokens({ client: inside, store: credentials.store })
    expect(await api(tokens).json({ path: '/api/v1/tenants/me' })).toMatchObject({ id })

    await region.deactivateTenant(id)
    await region.reactivateTenant(id)
    await expect(region.deactivateTenant('unknown')).rejects.toMatchObject({ errors: [{ code: 'TENANTS-8' }] })
    await Promise.all([inside.close(), region.close()])
  })

  it('does not work in another region', async () => {
    const region = regionClient({ ...credentials, region: 'eu' })
    await expect(region.createTenant({ licenseKey: 'license', datacenter: 'us-east-1' })).rejects.toMatchObject({
      code: 'ERR_TIER',
      message: expect.stringContaining('region us'),
    })
    for (const other of [
      'https://acme.us.qlikcloud.com',
      'https://acme.eu.qlikcloud.com.evil.example',
      'https://a.b.eu.qlikcloud.com',
    ]) {
      expect(() => region.at(other)).toThrow(expect.objectContaining({ code: 'ERR_TIER' }))
    }
    expect(() => region.at('https://register.eu.qlikcloud.com')).toThrow(expect.objectContaining({ code: 'ERR_TIER' }))
    expect(region.at('https://acme.eu.qlikcloud.com').tier).toBe('region')
    await region.close()
  })

  it('stays in the domain where it is registered', async () => {
    const region = regionClient({
      ...credentials,
      region: 'us',
      registerOrigin: 'https://register.us.qlikcloudgov.com',
    })
    expect(() => region.at('https://acme.us.qlikcloud.com')).toThrow(expect.objectContaining({ code: 'ERR_TIER' }))
    expect(region.at('https://acme.us.qlikcloudgov.com').tier).toBe('region')
    await region.close()
  })

  it.each([
    ['ap', 'ap-southeast-2'],
    ['sg', 'ap-southeast-1'],
    ['se', 'eu-north-1'],
    ['eu', 'constructor'],
  ])('%s lets the tenant decide about a data center whose region is not confirmed: %s', async (name, datacenter) => {
    const region = regionClient({ ...credentials, region: name, registerOrigin: tenant.regionOrigin })
    const before = tenant.requests.length
    await region
      .createTenant({ licenseKey: 'license', datacenter })
      .catch(error => expect(error).toMatchObject({ code: 'ERR_TENANT_REFUSED' }))
    expect(tenant.requests.slice(before)).toContainEqual(
      expect.objectContaining({ method: 'POST', path: '/api/v1/tenants' }),
    )
    await region.close()
  })
})

describe('the tier of a client', () => {
  it.each([
    ['https://acme.eu.qlikcloud.com', 'tenant'],
    ['https://register.eu.qlikcloud.com', 'region'],
    ['https://register.us.qlikcloudgov.com', 'region'],
    ['https://register.eu.qlikcloud.com.evil.example', 'tenant'],
    ['https://console.qlikcloud.com', 'organization'],
  ])('of %s is %s', (origin, tier) => {
    expect(createClient({ tenant: origin, clientId: 'x' }).tier).toBe(tier)
  })

  it('of an organization gets machine tokens, and cannot impersonate users', async () => {
    const organization = createClient({
      tenant: tenant.organizationOrigin,
      tier: 'organization',
      clientId: 'demo-organization',
      clientSecret: 'demo-organization-secret',
    })
    expect(await machineTokens({ client: organization, store: memoryLoginStore() }).accessToken()).toEqual(
      expect.any(String),
    )
    expect(() => impersonatedTokens({ client: organization, store: memoryLoginStore() })).toThrow(
      'An organization client',
    )
  })
})
