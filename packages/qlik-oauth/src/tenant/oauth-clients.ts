import type { JWK } from 'jose'
import { QlikOAuthError } from '../protocol/errors.ts'
import { quoted } from '../protocol/tenant-origin.ts'
import { type TenantApiOptions, tenantApi } from './tenant-api.ts'

export type AppType = 'web' | 'native' | 'spa' | 'anonymous-embed'
export type ConsentMethod = 'required' | 'trusted'

/** What can be changed about a registered client. */
export interface OAuthClientSettings {
  readonly clientName: string
  readonly description?: string
  readonly clientUri?: string
  readonly logoUri?: string
  /** At most five, compared as they are written. */
  readonly redirectUris?: readonly string[]
  /** Origins of pages that may use the client's tokens; at most five. */
  readonly allowedOrigins?: readonly string[]
  readonly allowedScopes?: readonly string[]
  /** Beyond the authorization code; for `web` only. */
  readonly allowedGrantTypes?: readonly ('client_credentials' | 'urn:qlik:oauth:user-impersonation')[]
  readonly allowedAuthMethods?: readonly ('client_secret' | 'private_key_jwt')[]
  /** Public keys for `private_key_jwt`, as `generateClientKeys` makes them. */
  readonly publicKeys?: readonly JWK[]
  readonly jwksUri?: string
}

export interface NewOAuthClient extends OAuthClientSettings {
  /** Cannot be changed later. */
  readonly appType: AppType
  /** `trusted` asks users for no consent. */
  readonly connectionConfig?: { readonly consentMethod: 'trusted' }
}

/** A client as the tenant shows it. Qlik adds members; they are passed on as they are. */
export interface OAuthClient extends OAuthClientSettings {
  readonly clientId: string
  readonly appType: AppType
  readonly createdAt?: string
  readonly updatedAt?: string
  /** The beginning of each secret, never the secret. */
  readonly clientSecrets?: readonly { readonly hint: string; readonly createdAt?: string }[]
  readonly [more: string]: unknown
}

/**
 * One operation of a JSON Patch (RFC 6902) on the settings, such as `{ op: 'replace', path: '/clientName', value:
 * 'Reports' }`.
 */
export interface PatchOperation {
  readonly op: 'add' | 'remove' | 'replace'
  readonly path: string
  readonly value?: unknown
}

export interface NewSecret {
  /** Shown this once. */
  readonly clientSecret: string
  readonly hint: string
}

/** The OAuth clients registered at one tenant. */
export interface OAuthClients {
  /** @returns The client; `clientSecret` of a web client is shown this once. */
  create(settings: NewOAuthClient): Promise<OAuthClient & { readonly clientSecret?: string }>
  /**
   * @param options `filter` in SCIM syntax, such as `appType eq "web"`, over clientId, clientName, appType, tenantId,
   * createdByType.
   */
  list(options?: {
    filter?: string
    sort?: string
    limit?: number
    signal?: AbortSignal
  }): AsyncGenerator<OAuthClient, void, undefined>
  read(clientId: string): Promise<OAuthClient>
  /** @returns A secret where the change made the tenant generate one. */
  patch(clientId: string, operations: readonly PatchOperation[]): Promise<{ readonly clientSecret?: string }>
  delete(clientId: string): Promise<void>
  /** Makes the client usable by all tenants of the region. */
  publish(clientId: string): Promise<void>
  /** Adds a secret; a client has five at most, and all of them work. */
  createSecret(clientId: string): Promise<NewSecret>
  deleteSecret(clientId: string, hint: string): Promise<void>
  connectionConfig(clientId: string): Promise<{ readonly consentMethod: ConsentMethod }>
  setConsentMethod(clientId: string, consentMethod: ConsentMethod): Promise<void>
  deleteConnectionConfig(clientId: string): Promise<void>
}

/**
 * Registers and manages the OAuth clients of a tenant (`/api/v1/oauth-clients`). The token must be a tenant
 * administrator's.
 *
 * Every method throws TenantResponseError (ERR_TENANT_REFUSED) with what the tenant said.
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
      const answer = await api.request({ method: 'PATCH', path: pathOf(clientId), json: operations })
      if (answer.status !== 202) return {}
      return { clientSecret: text(JSON.parse(answer.text), 'clientSecret') }
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
      throw unexpected('consentMethod')
    },
    async setConsentMethod(clientId, consentMethod) {
      const json = [{ op: 'replace', path: '/consentMethod', value: consentMethod }]
      await api.request({ method: 'PATCH', path: `${pathOf(clientId)}/connection-configs/me`, json })
    },
    async deleteConnectionConfig(clientId) {
      await api.request({ method: 'DELETE', path: `${pathOf(clientId)}/connection-configs/me` })
    },
  }
}

const base = '/api/v1/oauth-clients'

function pathOf(clientId: string): string {
  return `${base}/${segment('clientId', clientId)}`
}

/** A name in a path. "." and ".." are refused because encoding does not hide them. */
function segment(name: string, value: unknown): string {
  if (typeof value === 'string' && !/^\.{0,2}$/.test(value)) return encodeURIComponent(value)
  throw new QlikOAuthError('ERR_CONFIGURATION', `${name} must be a text, got ${quoted(value)}.`)
}

function oauthClient(json: Record<string, unknown>): OAuthClient {
  const { appType } = json
  if (appType !== 'web' && appType !== 'native' && appType !== 'spa' && appType !== 'anonymous-embed')
    throw unexpected('appType')
  return { ...json, appType, clientId: text(json, 'clientId'), clientName: text(json, 'clientName') }
}

function text(json: Record<string, unknown>, name: string): string {
  const value = json[name]
  if (typeof value === 'string') return value
  throw unexpected(name)
}

function unexpected(name: string): QlikOAuthError {
  return new QlikOAuthError(
    'ERR_TENANT_RESPONSE',
    `The tenant answered with an OAuth client that has no ${name} as documented`,
  )
}
