import { type ClientAuthentication, clientSecret, publicClient } from './client-authentication.ts'
import { QlikOAuthError } from './errors.ts'
import { type Metadata, tenantMetadata } from './metadata.ts'
import { scopeList } from './scope.ts'
import { type TenantHttp, tenantHttp } from './tenant-http.ts'
import { quoted, tenantOrigin } from './tenant-origin.ts'
import { type Tier, tierOf } from './tier.ts'

export interface QlikClientOptions {
  /** Origin of the tenant, such as `https://acme.eu.qlikcloud.com`; `http:` on loopback only. */
  readonly tenant: string
  readonly clientId: string
  readonly clientSecret?: string
  /** How the client proves itself. @default the secret in the body; without a secret, a public client */
  readonly authentication?: ClientAuthentication
  /**
   * Scopes to ask for, separated by spaces. Granted ones are read from the answer.
   *
   * @default 'user_default offline_access'
   */
  readonly scope?: string
  /** Where the client is registered. @default read from the host */
  readonly tier?: Tier
  /** Issuer the tenant's metadata must name, where it is not the tenant's origin. @default the tenant's origin */
  readonly issuer?: string
  /** Limit for one request to the token endpoint or for the user. @default 20000 */
  readonly timeoutMs?: number
}

/**
 * An OAuth client registered at one Qlik Cloud host: checked options, connections, and what the tenant says of itself.
 */
export interface QlikClient {
  readonly tenant: string
  readonly clientId: string
  readonly tier: Tier
  readonly authentication: ClientAuthentication
  readonly scope: string
  readonly http: TenantHttp
  /** The tenant's OAuth endpoints; asked for once and kept. */
  metadata(signal?: AbortSignal): Promise<Metadata>
  /** Ends the connections. */
  close(): Promise<void>
}

/** @throws ERR_CONFIGURATION for every option that is not what it must be. */
export function qlikClient(options: QlikClientOptions): QlikClient {
  const tenant = tenantOrigin(options.tenant)
  if (typeof options.clientId !== 'string' || options.clientId === '') {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `clientId must be the id of an OAuth client of ${tenant}, got ${quoted(options.clientId)}.`,
    )
  }
  const { timeoutMs = 20_000 } = options
  if (!Number.isFinite(timeoutMs) || timeoutMs <= 0) {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `timeoutMs must be a number of milliseconds above 0, got ${quoted(timeoutMs)}.`,
    )
  }

  const http = tenantHttp(tenant, timeoutMs)
  return {
    tenant,
    clientId: options.clientId,
    tier: options.tier ?? tierOf(tenant),
    authentication:
      options.authentication ??
      (options.clientSecret === undefined ? publicClient() : clientSecret(options.clientSecret)),
    scope: scopeList(options.scope ?? 'user_default offline_access').join(' '),
    http,
    metadata: tenantMetadata(http, options.issuer ?? tenant),
    close: () => http.close(),
  }
}
