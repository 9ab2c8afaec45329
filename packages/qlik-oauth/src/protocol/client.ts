import { type Dispatcher, Pool } from 'undici'
import { type ClientAuthentication, clientSecretPost, noClientAuthentication } from './client-authentication.ts'
import { QlikOAuthError } from './errors.ts'
import { isObject } from './json.ts'
import { type Metadata, tenantMetadata } from './metadata.ts'
import {
  configurationError,
  identifier,
  invalidOption,
  rejectUnknownOptions,
  scopeList,
  wholeNumber,
} from './option-checks.ts'
import type { OutboundOptions } from './outbound/outbound-options.ts'
import { type TenantHost, tenantHost } from './tenant-host.ts'
import { type TenantHttp, tenantHttp } from './tenant-http.ts'
import { tenantOrigin } from './tenant-origin.ts'

/** Describes a client. `clientSecret` and `authentication` exclude each other. */
export type QlikClientOptions = QlikClientSettings & ClientAuthenticationOptions

export interface QlikClientSettings {
  /** Origin of the tenant, such as `https://acme.eu.qlikcloud.com`; `http:` on loopback only. */
  readonly tenant: string
  readonly clientId: string
  /**
   * Scopes that logins request, separated by spaces. The token response says which were granted.
   *
   * @default 'user_default offline_access'
   */
  readonly scope?: string
  /** Where the client is registered. @default derived from the host */
  readonly tier?: ClientTier
  /** Issuer that the tenant's metadata must name, unless it names an alias. @default the origin of the tenant */
  readonly issuer?: string
  /**
   * Other origins of the same tenant: its original host name, where `tenant` is an alias. Metadata, links and redirects
   * may name them; requests go to `tenant`.
   *
   * @default []
   */
  readonly aliases?: readonly string[]
  /**
   * The way to the tenant: a proxy, further certificate authorities.
   *
   * @default `HTTPS_PROXY` and `NO_PROXY` of the environment
   */
  readonly outbound?: OutboundOptions
  /**
   * Version of the REST API that calls of this library request as `qlik-api-version`: `2026-11`, or `latest`. Requests
   * through the proxy of express-qlik-oauth keep the version of the browser.
   *
   * Without it the tenant assumes its oldest version. There is no default, because a version is supported for a year
   * only, and `latest` changes under an application that runs.
   *
   * @default none
   */
  readonly apiVersion?: string
  /** Milliseconds for one request to the tenant, its response included. @default 20000 */
  readonly timeoutMs?: number
}

/** How a client authenticates: by a secret or by another method, never both. */
export type ClientAuthenticationOptions =
  | {
      /** Secret that is sent in the body of token requests (`client_secret_post`). */
      readonly clientSecret?: string
      readonly authentication?: never
    }
  | {
      readonly clientSecret?: never
      /** @default `clientSecretPost(clientSecret)`; without a secret, `noClientAuthentication()` */
      readonly authentication?: ClientAuthentication
    }

/**
 * Where a client is registered. A `tenant` client works inside its tenant, a `region` client manages tenants and works
 * inside them as a machine, an `organization` client works as a machine at Qlik's console.
 */
export type ClientTier = 'tenant' | 'region' | 'organization'

/** An OAuth client that is registered at one Qlik Cloud host, with its connections to that host. */
export interface QlikClient {
  /** Origin of the tenant. */
  readonly tenant: string
  readonly clientId: string
  readonly tier: ClientTier
  readonly authentication: ClientAuthentication
  /** Requested scopes, separated by spaces. */
  readonly scope: string
  /** Other origins of the tenant. */
  readonly aliases: readonly string[]
  /** Version of the REST API that is requested; `undefined` requests none. */
  readonly apiVersion: string | undefined
  /** Closes the connections; requests in progress fail. */
  close(): Promise<void>
}

/**
 * Describes an OAuth client that is registered at a Qlik Cloud host. No request is sent yet.
 *
 * @throws ERR_CONFIGURATION for an invalid option.
 * @example
 * const client = qlikClient({ tenant: 'https://acme.eu.qlikcloud.com', clientId, clientSecret })
 */
export function qlikClient(options: QlikClientOptions): QlikClient {
  rejectUnknownOptions('qlikClient', options, clientOptionNames)
  const tenant = tenantOrigin(options.tenant)
  const clientId = identifier('clientId', options.clientId)
  const authentication = authenticationOf(options)
  const tier = tierFrom(options.tier, tenant)
  const { scope: requested = 'user_default offline_access', issuer: expectedIssuer = tenant } = options
  const scope = scopeList(requested).join(' ')
  const issuer = issuerUrl(expectedIssuer)
  const apiVersion = apiVersionOf(options.apiVersion)
  const host = tenantHost(tenant, options)
  const timeoutMs = wholeNumber('timeoutMs', options.timeoutMs, 20_000)
  const http = tenantHttp(host, timeoutMs, apiVersion)
  const streams = lazyPool(host, timeoutMs)
  const internal: ClientInternals = {
    host,
    http,
    metadata: tenantMetadata(http, issuer, host.aliases),
    streams: streams.get,
  }
  const client: ConnectedClient = {
    tenant,
    clientId,
    tier,
    authentication,
    scope,
    aliases: host.aliases,
    apiVersion,
    async close() {
      await Promise.all([http.close(), streams.close()])
    },
    [internals]: internal,
  }
  return client
}

/** What this library needs of a client beside its public members. */
export interface ClientInternals {
  readonly host: TenantHost
  readonly http: TenantHttp
  /**
   * The tenant's OAuth endpoints, requested once an hour.
   *
   * @throws ERR_ISSUER, ERR_TENANT_RESPONSE, ERR_TENANT_UNREACHABLE, ERR_TENANT_TIMEOUT, ERR_OUTBOUND_PROXY_*; the
   * reason of the signal.
   */
  metadata(signal?: AbortSignal): Promise<Metadata>
  /** Connections for responses of any size. */
  streams(): Dispatcher
}

/** @throws ERR_CONFIGURATION for anything but a client. */
export function internalsOf(client: QlikClient): ClientInternals {
  if (isConnected(client)) return client[internals]
  throw notAClient()
}

/** The same in all copies of this package in one process. */
const internals: unique symbol = Symbol.for('qlik-oauth.client')

type ConnectedClient = QlikClient & { readonly [internals]: ClientInternals }

function isConnected(client: QlikClient): client is ConnectedClient {
  return isObject(client) && internals in client
}

/** Connections that are opened when they are needed first. */
function lazyPool(host: TenantHost, timeoutMs: number): { get(): Dispatcher; close(): Promise<void> } {
  let pool: Pool | undefined
  const connect = () => host.outbound.connector(Math.min(timeoutMs, 10_000))
  return {
    get: () => (pool ??= new Pool(host.origin, { connect: connect() })),
    close: async () => pool?.destroy(),
  }
}

/** The names of the options, for checks of objects that contain them. */
export const clientOptionNames = [
  'tenant',
  'clientId',
  'clientSecret',
  'authentication',
  'scope',
  'tier',
  'issuer',
  'aliases',
  'outbound',
  'apiVersion',
  'timeoutMs',
] as const satisfies readonly (keyof QlikClientOptions)[]

function authenticationOf({ clientSecret, authentication }: ClientAuthenticationOptions): ClientAuthentication {
  if (clientSecret !== undefined && authentication !== undefined)
    throw configurationError('qlikClient takes either clientSecret or authentication, not both.')
  if (clientSecret !== undefined) return clientSecretPost(clientSecret)
  if (authentication === undefined) return noClientAuthentication()
  if (typeof authentication?.authenticate === 'function' && typeof authentication.confidential === 'boolean')
    return authentication
  throw configurationError(
    'authentication must be what clientSecretPost(…), clientSecretBasic(…), privateKeyJwt(…) or noClientAuthentication() returns.',
  )
}

function tierFrom(tier: unknown, tenant: string): ClientTier {
  if (tier === undefined) return tierOf(tenant)
  if (tier === 'tenant' || tier === 'region' || tier === 'organization') return tier
  throw invalidOption('tier', '"tenant", "region" or "organization"', tier)
}

function issuerUrl(issuer: unknown): string {
  if (typeof issuer === 'string' && URL.canParse(issuer) && /^https?:\/\//.test(issuer)) return issuer
  throw invalidOption('issuer', 'a URL, such as "https://acme.eu.qlikcloud.com"', issuer)
}

function apiVersionOf(version: unknown): string | undefined {
  if (version === undefined) return undefined
  if (typeof version === 'string' && /^(?:latest|\d{4}-(?:0[1-9]|1[0-2]))$/.test(version)) return version
  throw invalidOption('apiVersion', '"latest", or a year and month such as "2026-11"', version)
}

function tierOf(origin: string): ClientTier {
  if (regionDomain(origin) !== undefined) return 'region'
  return new URL(origin).hostname === 'console.qlikcloud.com' ? 'organization' : 'tenant'
}

/**
 * The domain of a region's tenants, such as `eu.qlikcloud.com`, from the origin of its register host.
 *
 * @returns `undefined` for another host. Qlik's libraries also know `qlikcloudgov.com`; whether it has region clients
 * is not confirmed.
 */
export function regionDomain(origin: string): string | undefined {
  return /^register\.([a-z]+\.(?:qlikcloud|qlikcloudgov)\.com)$/.exec(new URL(origin).hostname)?.[1]
}

/** @throws ERR_CONFIGURATION for anything but a client, such as its options. */
export function checkClient(client: unknown): void {
  if (!isObject(client) || !(internals in client)) throw notAClient()
}

function notAClient(): QlikOAuthError {
  return configurationError('client must be what qlikClient(…) returns.')
}

/**
 * Refuses an operation that clients of this tier cannot carry out, before the tenant does.
 *
 * @param operation As in "A region client cannot log users in".
 * @throws ERR_TIER
 */
export function requireTier(client: Pick<QlikClient, 'tier' | 'tenant'>, tier: ClientTier, operation: string): void {
  if (client.tier === tier) return
  const [actual, required] = [client.tier, tier].map(name => `${name === 'organization' ? 'an' : 'a'} ${name} client`)
  throw new QlikOAuthError(
    'ERR_TIER',
    `${capitalized(actual)} (${client.tenant}) cannot ${operation}: use ${required}.`,
  )
}

function capitalized(text = ''): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
