import type { JWK } from 'jose'
import { QlikOAuthError } from '../protocol/errors.ts'
import { parseJson } from '../protocol/json.ts'
import { invalidOption } from '../protocol/option-checks.ts'
import { type TenantApiOptions, tenantApi } from './tenant-api.ts'

/** The kind of application that a client is for. Qlik calls it `appType`. */
export type OAuthAppType = 'web' | 'native' | 'spa' | 'anonymous-embed'
/** Whether users are asked for consent. */
export type ConsentMethod = 'required' | 'trusted'

/** The settings of a registered client that can be changed. */
export interface OAuthClientSettings {
  readonly clientName: string
  readonly description?: string
  readonly clientUri?: string
  readonly logoUri?: string
  /** At most five; the tenant compares them as strings. */
  readonly redirectUris?: readonly string[]
  /** Origins of pages that may call the tenant with the client's tokens; at most five. */
  readonly allowedOrigins?: readonly string[]
  readonly allowedScopes?: readonly string[]
  /** Grants beside the authorization code, for `web` only. */
  readonly allowedGrantTypes?: readonly ('client_credentials' | 'urn:qlik:oauth:user-impersonation')[]
  readonly allowedAuthMethods?: readonly ('client_secret' | 'private_key_jwt')[]
  /** Public keys for `private_key_jwt`, from `generateClientKeys`. */
  readonly publicKeys?: readonly JWK[]
  readonly jwksUri?: string
}

/** The settings with which a client is registered. */
export interface NewOAuthClient extends OAuthClientSettings {
  /** Cannot be changed later. */
  readonly appType: OAuthAppType
  /** With `trusted`, users are not asked for consent. */
  readonly connectionConfig?: { readonly consentMethod: 'trusted' }
}

/** A client as the tenant returns it. Members that Qlik adds are kept. */
export interface OAuthClient extends OAuthClientSettings {
  readonly clientId: string
  readonly appType: OAuthAppType
  readonly createdAt?: string
  readonly updatedAt?: string
  /** `hint` is the beginning of the secret. */
  readonly clientSecrets?: readonly { readonly hint: string; readonly createdAt?: string }[]
  readonly [more: string]: unknown
}

/**
 * One operation of a JSON Patch (RFC 6902) on the settings, such as `{ op: 'replace', path: '/clientName', value:
 * 'Reports' }`.
 */
export interface JsonPatchOperation {
  readonly op: 'add' | 'remove' | 'replace'
  readonly path: string
  readonly value?: unknown
}

/** A secret that was added to a client. */
export interface NewClientSecret {
  /** Returned this once. */
  readonly clientSecret: string
  /** The beginning of the secret, by which it is deleted. */
  readonly hint: string
}

/** The OAuth clients registered at one tenant. */
export interface OAuthClients {
  /** @returns The client; the `clientSecret` of a web client is returned this once. */
  create(settings: NewOAuthClient): Promise<OAuthClient & { readonly clientSecret?: string }>
  /**
   * @param options `filter` in SCIM syntax, such as `appType eq "web"`, with the attributes clientId, clientName,
   * appType, tenantId, createdByType; `limit` is the size of a page.
   */
  list(options?: {
    filter?: string
    sort?: string
    limit?: number
    signal?: AbortSignal
  }): AsyncGenerator<OAuthClient, void, undefined>
  read(clientId: string): Promise<OAuthClient>
  /** @returns A secret when the change makes the tenant generate one. */
  patch(clientId: string, operations: readonly JsonPatchOperation[]): Promise<{ readonly clientSecret?: string }>
  delete(clientId: string): Promise<void>
  /** Makes the client available to all tenants of the region. */
  publish(clientId: string): Promise<void>
  /** Adds a secret. A client has at most five, and all of them are valid. */
  createSecret(clientId: string): Promise<NewClientSecret>
  deleteSecret(clientId: string, hint: string): Promise<void>
  connectionConfig(clientId: string): Promise<{ readonly consentMethod: ConsentMethod }>
  setConsentMethod(clientId: string, consentMethod: ConsentMethod): Promise<void>
  deleteConnectionConfig(clientId: string): Promise<void>
  /** Closes the connections; requests in progress fail. */
  close(): Promise<void>
}

/**
 * Registers and manages the OAuth clients of a tenant (`/api/v1/oauth-clients`). The token must belong
 * to a tenant administrator.
 *
 * Every method throws TenantResponseError (ERR_TENANT_REFUSED) with the `errors` of the tenant, the errors of
 * `TenantApi.request`, and ERR_CONFIGURATION for an empty id.
 *
 * @throws ERR_CONFIGURATION for an invalid option.
 */
export function oauthClients(options: TenantApiOptions): OAuthClients {
  const api = tenantApi(options)

  return {
    async create(settings) {
      const created = await api.json({ method: 'POST', path: base, json: settings })
      const { clientSecret, ...client } = created
      return { ...oauthClient(client), ...(typeof clientSecret === 'string' ? { clientSecret } : {}) }
    },
    async *list({ filter, sort, limit, signal } = {}) {
      const query = new URLSearchParams()
      if (filter !== undefined) query.set('filter', filter)
      if (sort !== undefined) query.set('sort', sort)
      if (limit !== undefined) query.set('limit', String(limit))
      for await (const client of api.list(query.size === 0 ? base : `${base}?${query}`, signal))
        yield oauthClient(client)
    },
    async read(clientId) {
      return oauthClient(await api.json({ path: pathOf(clientId) }))
    },
    async patch(clientId, operations) {
      const response = await api.request({ method: 'PATCH', path: pathOf(clientId), json: operations })
      return response.status === 202 ? { clientSecret: text(parseJson(response.text) ?? {}, 'clientSecret') } : {}
    },
    async delete(clientId) {
      await api.request({ method: 'DELETE', path: pathOf(clientId) })
    },
    async publish(clientId) {
      await api.request({ method: 'POST', path: `${pathOf(clientId)}/actions/publish` })
    },
    async createSecret(clientId) {
      const secret = await api.json({ method: 'POST', path: `${pathOf(clientId)}/client-secrets` })
      return { clientSecret: text(secret, 'clientSecret'), hint: text(secret, 'hint') }
    },
    async deleteSecret(clientId, hint) {
      await api.request({ method: 'DELETE', path: `${pathOf(clientId)}/client-secrets/${segment('hint', hint)}` })
    },
    async connectionConfig(clientId) {
      const { consentMethod } = await api.json({ path: `${pathOf(clientId)}/connection-configs/me` })
      if (consentMethod === 'required' || consentMethod === 'trusted') return { consentMethod }
      throw invalidClient('consentMethod')
    },
    async setConsentMethod(clientId, consentMethod) {
      const json = [{ op: 'replace', path: '/consentMethod', value: consentMethod }]
      await api.request({ method: 'PATCH', path: `${pathOf(clientId)}/connection-configs/me`, json })
    },
    async deleteConnectionConfig(clientId) {
      await api.request({ method: 'DELETE', path: `${pathOf(clientId)}/connection-configs/me` })
    },
    close: () => api.close(),
  }
}

const base = '/api/v1/oauth-clients'

function pathOf(clientId: string): string {
  return `${base}/${segment('clientId', clientId)}`
}

/** A path segment. "." and ".." are refused, because percent-encoding does not change them. */
function segment(name: string, value: unknown): string {
  if (typeof value === 'string' && !/^\.{0,2}$/.test(value)) return encodeURIComponent(value)
  throw invalidOption(name, 'a non-empty string other than "." and ".."', value)
}

function oauthClient(json: Record<string, unknown>): OAuthClient {
  const { appType } = json
  if (appType !== 'web' && appType !== 'native' && appType !== 'spa' && appType !== 'anonymous-embed')
    throw invalidClient('appType')
  return { ...json, appType, clientId: text(json, 'clientId'), clientName: text(json, 'clientName') }
}

function text(json: Record<string, unknown>, name: string): string {
  const value = json[name]
  if (typeof value === 'string') return value
  throw invalidClient(name)
}

function invalidClient(name: string): QlikOAuthError {
  return new QlikOAuthError('ERR_TENANT_RESPONSE', `The tenant returned an OAuth client without a valid ${name}`)
}
