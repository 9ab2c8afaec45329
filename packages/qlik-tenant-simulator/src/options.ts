import type { AnalyticsApp } from './apps/catalogue.ts'
import type { ClientRegistration } from './client-registration.ts'
import type { TenantUser } from './tenant-user.ts'

/**
 * Everything that can be chosen about the simulated tenant. What Qlik does not document is an option, and its default
 * is an assumption.
 */
export interface TenantOptions {
  /** 0 takes a free port. @default 0 */
  readonly port?: number
  /** Address to listen on. @default '127.0.0.1' */
  readonly host?: string
  /** Host name in the tenant's own origin. @default 'localhost' */
  readonly hostname?: string
  /** Further values of the Host header to answer to, such as `tenant:4000` behind a container network. @default [] */
  readonly acceptedHosts?: readonly string[]
  /** Added to the default clients; one with the same id replaces it. */
  readonly clients?: readonly ClientRegistration[]
  /** Added to the default users; one with the same id replaces it. */
  readonly users?: readonly TenantUser[]
  /** Replaces the catalogue of apps. */
  readonly apps?: readonly AnalyticsApp[]
  /** Life of an access token. Documented: 6 hours. @default 21600 */
  readonly accessTokenSeconds?: number
  /** Life of a refresh token. Documented: 30 days. @default 2592000 */
  readonly refreshTokenSeconds?: number
  /** Life of a token exchanged for a WebSocket or a web resource. Not documented. @default 300 */
  readonly exchangedTokenSeconds?: number
  /** Life of an authorization code. Not documented. @default 60 */
  readonly codeSeconds?: number
  /**
   * Whether a refresh token works once, and its reuse revokes all tokens of that login. Not documented.
   *
   * @default true
   */
  readonly rotateRefreshTokens?: boolean
  /** How long a refresh token that was used still works. Not documented. @default 0 */
  readonly refreshGraceSeconds?: number
  /** Whether each refresh starts the 30 days anew. Not documented. @default true */
  readonly slidingRefreshTokens?: boolean
  /**
   * How the token answer states the end of the access token. The reference lists `expires_at`, its examples show both.
   *
   * @default 'both'
   */
  readonly expiry?: 'expires_in' | 'expires_at' | 'both' | 'none'
  /** Issuer in metadata and tokens. @default the origin */
  readonly issuer?: string
  /**
   * Whether the authorization response carries `iss` (RFC 9207) and the metadata promises it. Not documented.
   *
   * @default false
   */
  readonly authorizationResponseIss?: boolean
  /** Status of the redirect from `users/me` and `tenants/me`. Reported as 301 or 302. @default 302 */
  readonly usersMeRedirectStatus?: 301 | 302 | 303 | 307 | 308
  /**
   * Live access tokens per user and client beyond which the token endpoint answers 403. The number is not documented.
   *
   * @default 1000
   */
  readonly maxTokensPerUser?: number
  /** Whether PKCE may be left out by confidential clients. Documented as mandatory. @default false */
  readonly pkceOptional?: boolean
  /** Scopes that the authorization endpoint refuses by name. Reported for `openid`. @default ['openid'] */
  readonly refusedScopes?: readonly string[]
  /** Whether /oauth/revoke demands client authentication. Not documented. @default false */
  readonly revokeRequiresClient?: boolean
  /** Whether revoking a refresh token also revokes the access tokens of that login. Not documented. @default true */
  readonly revokeCascades?: boolean
  /** Whether open engine sockets end when their token is revoked. Not documented. @default false */
  readonly revokeClosesSockets?: boolean
  /**
   * Whether a refused token request carries RFC 6749's `error` beside Qlik's `errors`. Qlik documents `errors` alone.
   *
   * @default false
   */
  readonly rfc6749Errors?: boolean
  /**
   * How id and secret are read from Basic credentials: as they are, form-decoded (RFC 6749), or both tried. Not
   * documented.
   *
   * @default 'either'
   */
  readonly basicEncoding?: 'raw' | 'form' | 'either'
  /** Life of the tenant's own login cookie. Documented: 24 hours. @default 86400 */
  readonly loginSeconds?: number
  /** Bytes of an uploaded file that are kept; the rest is counted and read back as zeros. @default 16777216 */
  readonly keptUploadBytes?: number
  /** Pause between the events of a streamed answer. @default 20 */
  readonly streamIntervalMs?: number
  /** How many requests are remembered. @default 100000 */
  readonly rememberedRequests?: number
  /** The clock, in milliseconds. @default Date.now */
  readonly now?: () => number
}

export type Settings = Required<Omit<TenantOptions, 'clients' | 'users' | 'apps' | 'issuer'>> & {
  readonly issuer: string | undefined
}

/** @throws RangeError naming the option, what was given and what is expected. */
export function settle(options: TenantOptions): Settings {
  const settings: Settings = {
    port: options.port ?? 0,
    host: options.host ?? '127.0.0.1',
    hostname: options.hostname ?? 'localhost',
    acceptedHosts: options.acceptedHosts ?? [],
    accessTokenSeconds: options.accessTokenSeconds ?? 21_600,
    refreshTokenSeconds: options.refreshTokenSeconds ?? 2_592_000,
    exchangedTokenSeconds: options.exchangedTokenSeconds ?? 300,
    codeSeconds: options.codeSeconds ?? 60,
    rotateRefreshTokens: options.rotateRefreshTokens ?? true,
    refreshGraceSeconds: options.refreshGraceSeconds ?? 0,
    slidingRefreshTokens: options.slidingRefreshTokens ?? true,
    expiry: options.expiry ?? 'both',
    issuer: options.issuer,
    authorizationResponseIss: options.authorizationResponseIss ?? false,
    usersMeRedirectStatus: options.usersMeRedirectStatus ?? 302,
    maxTokensPerUser: options.maxTokensPerUser ?? 1000,
    pkceOptional: options.pkceOptional ?? false,
    refusedScopes: options.refusedScopes ?? ['openid'],
    revokeRequiresClient: options.revokeRequiresClient ?? false,
    revokeCascades: options.revokeCascades ?? true,
    revokeClosesSockets: options.revokeClosesSockets ?? false,
    rfc6749Errors: options.rfc6749Errors ?? false,
    basicEncoding: options.basicEncoding ?? 'either',
    loginSeconds: options.loginSeconds ?? 86_400,
    keptUploadBytes: options.keptUploadBytes ?? 16_777_216,
    streamIntervalMs: options.streamIntervalMs ?? 20,
    rememberedRequests: options.rememberedRequests ?? 100_000,
    now: options.now ?? Date.now,
  }
  if (!Number.isInteger(settings.port) || settings.port < 0 || settings.port > 65_535) {
    throw new RangeError(`port must be a whole number from 0 to 65535, got ${JSON.stringify(options.port)}`)
  }
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value === 'number' && !(value >= 0))
      throw new RangeError(`${name} must not be negative, got ${JSON.stringify(value)}`)
  }
  return settings
}
