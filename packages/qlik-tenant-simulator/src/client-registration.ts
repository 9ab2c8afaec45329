import { randomBytes } from 'node:crypto'
import type { JWK } from 'jose'
import { isObject } from './http/exchange.ts'

export const appTypes = ['web', 'native', 'spa', 'anonymous-embed'] as const
export const extraGrantTypes = ['client_credentials', 'urn:qlik:oauth:user-impersonation'] as const

/** An OAuth client as it is registered at the tenant. What is left out takes the value in `@default`. */
export interface ClientRegistration {
  readonly clientId: string
  readonly appType: (typeof appTypes)[number]
  /** @default the client id */
  readonly clientName?: string
  readonly description?: string
  /** Only for `web`. @default generated, unless the client authenticates with `private_key_jwt` alone */
  readonly clientSecret?: string
  /**
   * At most five; compared character by character, except the port of a native client's loopback address.
   *
   * @default []
   */
  readonly redirectUris?: readonly string[]
  /** Origins of pages that may use this client's tokens. @default [] */
  readonly allowedOrigins?: readonly string[]
  /** @default ['user_default', 'offline_access'] */
  readonly allowedScopes?: readonly string[]
  /** Beyond the authorization code, which every client with a redirect URI may use. Only for `web`. @default [] */
  readonly allowedGrantTypes?: readonly (typeof extraGrantTypes)[number][]
  /** @default ['client_secret'] */
  readonly allowedAuthMethods?: readonly ('client_secret' | 'private_key_jwt')[]
  readonly publicKeys?: readonly JWK[]
  readonly jwksUri?: string
  /** `trusted` skips the consent page. @default 'required' */
  readonly consentMethod?: 'required' | 'trusted'
  /** The access codes (`eac`) of app links an `anonymous-embed` client may open. @default [] */
  readonly accessCodes?: readonly string[]
  /**
   * Where the client is registered; a client of a region or an organization is valid in all its tenants.
   *
   * @default 'tenant'
   */
  readonly tier?: 'tenant' | 'region' | 'organization'
}

/** A registration with nothing left out, and what the tenant adds. */
export interface Client extends Required<Omit<ClientRegistration, 'clientSecret' | 'jwksUri' | 'description'>> {
  readonly description: string
  readonly jwksUri: string | undefined
  readonly secrets: readonly ClientSecret[]
  readonly createdAt: string
  readonly updatedAt: string
  readonly published: boolean
  readonly clientUri: string | undefined
  readonly logoUri: string | undefined
}

export interface ClientSecret {
  readonly value: string
  readonly hint: string
  readonly createdAt: string
}

export const defaultClients: readonly ClientRegistration[] = [
  {
    clientId: 'demo-web',
    clientName: 'Demo web application',
    appType: 'web',
    clientSecret: 'demo-web-secret',
    redirectUris: ['http://localhost:3000/auth/callback', 'http://127.0.0.1:3000/auth/callback'],
  },
  {
    clientId: 'demo-m2m',
    clientName: 'Demo machine',
    appType: 'web',
    clientSecret: 'demo-m2m-secret',
    allowedScopes: ['user_default', 'admin_classic'],
    allowedGrantTypes: ['client_credentials'],
  },
  {
    clientId: 'demo-impersonation',
    clientName: 'Demo impersonation',
    appType: 'web',
    clientSecret: 'demo-impersonation-secret',
    allowedScopes: ['user_default'],
    allowedGrantTypes: ['urn:qlik:oauth:user-impersonation'],
  },
  {
    clientId: 'demo-spa',
    clientName: 'Demo single-page application',
    appType: 'spa',
    redirectUris: ['http://localhost:3000/spa/callback', 'http://127.0.0.1:3000/spa/callback'],
    allowedOrigins: ['http://localhost:3000', 'http://127.0.0.1:3000'],
    allowedScopes: ['user_default'],
  },
  {
    clientId: 'demo-native',
    clientName: 'Demo command line',
    appType: 'native',
    redirectUris: ['http://127.0.0.1/callback', 'http://[::1]/callback'],
    allowedScopes: ['user_default', 'admin_classic', 'offline_access'],
  },
  {
    clientId: 'demo-anonymous',
    clientName: 'Demo public page',
    appType: 'anonymous-embed',
    allowedOrigins: ['http://localhost:3000', 'http://127.0.0.1:3000'],
    allowedScopes: ['user_default'],
    accessCodes: ['demo-access-code'],
  },
  {
    clientId: 'demo-region',
    clientName: 'Demo region client',
    appType: 'web',
    clientSecret: 'demo-region-secret',
    allowedScopes: ['admin_classic', 'tenants:create', 'tenants:deactivate', 'tenants:reactivate'],
    allowedGrantTypes: ['client_credentials'],
    tier: 'region',
  },
  {
    clientId: 'demo-organization',
    clientName: 'Demo organization client',
    appType: 'web',
    clientSecret: 'demo-organization-secret',
    allowedScopes: ['admin_classic'],
    allowedGrantTypes: ['client_credentials'],
    tier: 'organization',
  },
]

/** What a registration must not ask for; the sentence says why. */
export function registrationProblem(registration: ClientRegistration): string | undefined {
  const {
    appType,
    redirectUris = [],
    allowedOrigins = [],
    allowedScopes = [],
    allowedGrantTypes = [],
    allowedAuthMethods = [],
  } = registration
  if (typeof registration.clientId !== 'string' || registration.clientId === '')
    return 'clientId must be a non-empty string'
  if (!appTypes.includes(appType)) return `appType must be one of ${appTypes.join(', ')}`
  if (redirectUris.length > 5) return 'At most 5 redirect URIs are allowed'
  if (allowedOrigins.length > 5) return 'At most 5 allowed origins are allowed'
  const badUri = redirectUris.find(uri => !isRedirectUri(uri, appType))
  if (badUri !== undefined)
    return `Redirect URI must be absolute, without fragment, and https except on a loopback host: ${JSON.stringify(badUri)}`
  const badOrigin = allowedOrigins.find(origin => !isOrigin(origin))
  if (badOrigin !== undefined) return `Allowed origin must be scheme, host and port alone: ${JSON.stringify(badOrigin)}`
  const badScope = allowedScopes.find(scope => typeof scope !== 'string' || !scopeToken.test(scope))
  if (badScope !== undefined) return `Not a scope: ${JSON.stringify(badScope)}`
  if (allowedGrantTypes.some(grant => !extraGrantTypes.includes(grant)))
    return `allowedGrantTypes may hold ${extraGrantTypes.join(', ')}`
  if (allowedGrantTypes.length > 0 && appType !== 'web') return 'Only web clients may have allowedGrantTypes'
  if (allowedAuthMethods.some(method => method !== 'client_secret' && method !== 'private_key_jwt')) {
    return 'allowedAuthMethods may hold client_secret and private_key_jwt'
  }
  if (registration.publicKeys?.some(key => !isObject(key) || typeof key.kid !== 'string' || 'd' in key)) {
    return 'publicKeys must be public JWKs with a kid'
  }
  return undefined
}

export const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/

export interface ClientDirectory {
  readonly all: readonly Client[]
  find(clientId: string): Client | undefined
  put(client: Client): Client
  register(registration: ClientRegistration): Client
  remove(clientId: string): boolean
}

/** @throws TypeError for a registration that Qlik Cloud would refuse. */
export function clientDirectory(
  registrations: readonly ClientRegistration[],
  learnSecret: (secret: string) => void,
): ClientDirectory {
  const clients = new Map<string, Client>()
  const put = (client: Client) => {
    clients.set(client.clientId, client)
    for (const { value } of client.secrets) learnSecret(value)
    return client
  }
  const register = (registration: ClientRegistration) => {
    const problem = registrationProblem(registration)
    if (problem !== undefined) throw new TypeError(`client ${JSON.stringify(registration.clientId)}: ${problem}`)
    return put(complete(registration))
  }
  for (const registration of registrations) register(registration)

  return {
    get all() {
      return [...clients.values()]
    },
    find: clientId => clients.get(clientId),
    put,
    register,
    remove: clientId => clients.delete(clientId),
  }
}

/** The public view of a client: how it could be registered again, with its newest secret. */
export function registrationOf(client: Client): ClientRegistration {
  const { secrets, createdAt, updatedAt, published, jwksUri, clientUri, logoUri, ...registration } = client
  const newest = secrets.at(-1)
  return {
    ...registration,
    ...(newest === undefined ? {} : { clientSecret: newest.value }),
    ...(jwksUri === undefined ? {} : { jwksUri }),
  }
}

export function newSecret(value = randomBytes(32).toString('hex')): ClientSecret {
  return { value, hint: value.slice(0, 5), createdAt: new Date().toISOString() }
}

/** Clients that can keep a secret must prove who they are. */
export function isConfidential(client: Client): boolean {
  return client.appType === 'web'
}

/**
 * Loopback redirects of native clients may name any port (RFC 8252, section 7.3); all others are compared as strings.
 */
export function isRegisteredRedirect(client: Client, redirectUri: string): boolean {
  if (client.redirectUris.includes(redirectUri)) return true
  if (client.appType !== 'native' || !URL.canParse(redirectUri)) return false
  const asked = new URL(redirectUri)
  if (!['127.0.0.1', '[::1]'].includes(asked.hostname) || asked.protocol !== 'http:') return false
  const port = asked.port === '' ? '' : `:${asked.port}`
  return client.redirectUris.some(registered => {
    const { hostname, pathname, search, protocol } = new URL(registered)
    return protocol === 'http:' && `http://${hostname}${port}${pathname}${search}` === redirectUri
  })
}

function complete(registration: ClientRegistration): Client {
  const createdAt = new Date().toISOString()
  const allowedAuthMethods = registration.allowedAuthMethods ?? ['client_secret']
  const secret =
    registration.appType === 'web' && allowedAuthMethods.includes('client_secret')
      ? [newSecret(registration.clientSecret)]
      : []
  return {
    clientId: registration.clientId,
    clientName: registration.clientName ?? registration.clientId,
    description: registration.description ?? '',
    appType: registration.appType,
    redirectUris: registration.redirectUris ?? [],
    allowedOrigins: registration.allowedOrigins ?? [],
    allowedScopes: registration.allowedScopes ?? ['user_default', 'offline_access'],
    allowedGrantTypes: registration.allowedGrantTypes ?? [],
    allowedAuthMethods,
    publicKeys: registration.publicKeys ?? [],
    jwksUri: registration.jwksUri,
    consentMethod: registration.consentMethod ?? 'required',
    accessCodes: registration.accessCodes ?? [],
    tier: registration.tier ?? 'tenant',
    secrets: secret,
    createdAt,
    updatedAt: createdAt,
    published: false,
    clientUri: undefined,
    logoUri: undefined,
  }
}

function isRedirectUri(uri: unknown, appType: string): boolean {
  if (typeof uri !== 'string' || !URL.canParse(uri) || uri.includes('#')) return false
  const { protocol, hostname } = new URL(uri)
  if (protocol === 'https:') return true
  if (protocol === 'http:')
    return ['localhost', '127.0.0.1', '[::1]'].includes(hostname) || hostname.endsWith('.localhost')
  return appType === 'native' && /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:$/.test(protocol)
}

function isOrigin(origin: unknown): boolean {
  return typeof origin === 'string' && URL.canParse(origin) && new URL(origin).origin === origin
}
