import { randomBytes } from 'node:crypto'
import type { JWK } from 'jose'
import { isObject } from '../http/exchange.ts'

/** Qlik's kinds of OAuth client. */
export const appTypes = ['web', 'native', 'spa', 'anonymous-embed'] as const
/** Grants that a web client must be registered for. */
export const extraGrantTypes = ['client_credentials', 'urn:qlik:oauth:user-impersonation'] as const

/** The registration of an OAuth client. */
export interface ClientRegistration {
  readonly clientId: string
  readonly appType: (typeof appTypes)[number]
  /** @default the client id */
  readonly clientName?: string
  readonly description?: string
  /** For `web` only. @default generated, unless `allowedAuthMethods` is `['private_key_jwt']` */
  readonly clientSecret?: string
  /**
   * At most 5. They are compared as strings, except for the port of a native client's loopback address (RFC 8252,
   * section 7.3).
   *
   * @default []
   */
  readonly redirectUris?: readonly string[]
  /** Origins of web pages that may use this client's tokens. At most 5. @default [] */
  readonly allowedOrigins?: readonly string[]
  /** @default ['user_default', 'offline_access'] */
  readonly allowedScopes?: readonly string[]
  /**
   * Grants in addition to the authorization code, which every client with a redirect URI may use. For `web` only.
   *
   * @default []
   */
  readonly allowedGrantTypes?: readonly (typeof extraGrantTypes)[number][]
  /** @default ['client_secret'] */
  readonly allowedAuthMethods?: readonly ('client_secret' | 'private_key_jwt')[]
  /** Public keys for `private_key_jwt`, each with a `kid`. @default [] */
  readonly publicKeys?: readonly JWK[]
  /** URL of the public keys for `private_key_jwt`; used instead of `publicKeys`. */
  readonly jwksUri?: string
  /** `trusted` skips the consent page. @default 'required' */
  readonly consentMethod?: 'required' | 'trusted'
  /** Access codes (`eac`) that an `anonymous-embed` client accepts. @default [] */
  readonly accessCodes?: readonly string[]
  /**
   * Where the client is registered. A region client is valid in every tenant of the region.
   *
   * @default 'tenant'
   */
  readonly tier?: 'tenant' | 'region' | 'organization'
}

/** A registered client: the registration with its defaults, and what the tenant adds. */
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

/** A client secret; `hint` identifies it in the REST API. */
export interface ClientSecret {
  readonly value: string
  readonly hint: string
  readonly createdAt: string
}

/** The first problem of a registration, as a sentence; undefined when it is valid. */
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
  if (redirectUris.length > 5) return 'At most 5 redirect URIs'
  if (allowedOrigins.length > 5) return 'At most 5 allowed origins'
  const badUri = redirectUris.find(uri => !isRedirectUri(uri, appType))
  if (badUri !== undefined)
    return `Redirect URI must be absolute, without a fragment, and https except on a loopback host: ${JSON.stringify(badUri)}`
  const badOrigin = allowedOrigins.find(origin => !isOrigin(origin))
  if (badOrigin !== undefined) return `Allowed origin must be scheme, host and port only: ${JSON.stringify(badOrigin)}`
  const badScope = allowedScopes.find(scope => typeof scope !== 'string' || !scopeToken.test(scope))
  if (badScope !== undefined) return `Invalid scope: ${JSON.stringify(badScope)}`
  if (allowedGrantTypes.some(grant => !extraGrantTypes.includes(grant)))
    return `allowedGrantTypes must be among ${extraGrantTypes.join(', ')}`
  if (allowedGrantTypes.length > 0 && appType !== 'web') return 'allowedGrantTypes is for web clients only'
  if (allowedAuthMethods.some(method => method !== 'client_secret' && method !== 'private_key_jwt')) {
    return 'allowedAuthMethods must be among client_secret, private_key_jwt'
  }
  if (registration.publicKeys?.some(key => !isObject(key) || typeof key.kid !== 'string' || 'd' in key)) {
    return 'publicKeys must be public JWKs, each with a kid'
  }
  return undefined
}

/** A scope token (RFC 6749, section 3.3). */
export const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/** The clients of a tenant. */
export interface ClientDirectory {
  /** Clients registered in this tenant. */
  readonly all: readonly Client[]
  /** Clients valid in this tenant: its own, and those that other tenants of the region published. */
  readonly valid: readonly Client[]
  /** Finds a client that is valid in this tenant. */
  find(clientId: string): Client | undefined
  put(client: Client): Client
  /** Adds a client or replaces the one with the same id. @throws TypeError for an invalid registration */
  register(registration: ClientRegistration): Client
  remove(clientId: string): boolean
}

/** The directories of all tenants in a region. */
export type RegionDirectories = Set<ClientDirectory>

/**
 * Creates a directory and adds it to its region.
 *
 * @param onSecret - Called with every client secret.
 * @throws TypeError for an invalid registration
 */
export function clientDirectory(
  registrations: readonly ClientRegistration[],
  onSecret: (secret: string) => void,
  region: RegionDirectories = new Set(),
): ClientDirectory {
  const clients = new Map<string, Client>()
  const put = (client: Client) => {
    clients.set(client.clientId, client)
    for (const { value } of client.secrets) onSecret(value)
    return client
  }
  const register = (registration: ClientRegistration) => {
    const problem = registrationProblem(registration)
    if (problem !== undefined) throw new TypeError(`client ${JSON.stringify(registration.clientId)}: ${problem}`)
    return put(complete(registration))
  }
  for (const registration of registrations) register(registration)

  const publishedElsewhere = () =>
    [...region].filter(other => other !== directory).flatMap(other => other.all.filter(client => client.published))
  const directory: ClientDirectory = {
    get all() {
      return [...clients.values()]
    },
    get valid() {
      return [...clients.values(), ...publishedElsewhere()]
    },
    find: clientId => clients.get(clientId) ?? publishedElsewhere().find(client => client.clientId === clientId),
    put,
    register,
    remove: clientId => clients.delete(clientId),
  }
  region.add(directory)
  return directory
}

/** The registration that would create this client, with its newest secret. */
export function registrationOf(client: Client): ClientRegistration {
  const { secrets, createdAt, updatedAt, published, jwksUri, clientUri, logoUri, ...registration } = client
  const newest = secrets.at(-1)
  return {
    ...registration,
    ...(newest === undefined ? {} : { clientSecret: newest.value }),
    ...(jwksUri === undefined ? {} : { jwksUri }),
  }
}

/** A new client secret. */
export function newSecret(value = randomBytes(32).toString('hex')): ClientSecret {
  return { value, hint: value.slice(0, 5), createdAt: new Date().toISOString() }
}

/** Whether the client must authenticate (RFC 6749, section 2.1). */
export function isConfidential(client: Client): boolean {
  return client.appType === 'web'
}

/** Whether a redirect URI is registered. A native client's loopback URI may have any port (RFC 8252, section 7.3). */
export function isRegisteredRedirect(client: Client, redirectUri: string): boolean {
  if (client.redirectUris.includes(redirectUri)) return true
  if (client.appType !== 'native' || !URL.canParse(redirectUri)) return false
  const requested = new URL(redirectUri)
  if (!['127.0.0.1', '[::1]'].includes(requested.hostname) || requested.protocol !== 'http:') return false
  const port = requested.port === '' ? '' : `:${requested.port}`
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
