import type { AnalyticsApp } from '../apps/catalogue.ts'
import type { ClientRegistration } from './clients.ts'
import type { TenantUser } from './users.ts'

/** Options of `createTenant`. Where Qlik does not document a behaviour, the default is an assumption. */
export interface TenantOptions {
  /** Port to listen on; 0 chooses a free port. @default 0 */
  readonly port?: number
  /** Port of the region host; 0 chooses a free port. @default 0 */
  readonly regionPort?: number
  /** Address to listen on. @default '127.0.0.1' */
  readonly host?: string
  /** Host name in the tenant's URLs. @default 'localhost' */
  readonly hostname?: string
  /** Additional values of the Host header to accept, such as `tenant:4000` in a container network. @default [] */
  readonly acceptedHosts?: readonly string[]
  /** Added to the default clients; a client with the same id replaces the default. */
  readonly clients?: readonly ClientRegistration[]
  /** Added to the default users; a user with the same id replaces the default. */
  readonly users?: readonly TenantUser[]
  /** Replaces the default apps. */
  readonly apps?: readonly AnalyticsApp[]
  /** Lifetime of access tokens. Documented: 6 hours. @default 21600 */
  readonly accessTokenSeconds?: number
  /** Lifetime of refresh tokens. Documented: 30 days. @default 2592000 */
  readonly refreshTokenSeconds?: number
  /** Lifetime of tokens exchanged for a WebSocket or a web resource. Not documented. @default 300 */
  readonly exchangedTokenSeconds?: number
  /** Lifetime of authorization codes. Not documented. @default 60 */
  readonly codeSeconds?: number
  /**
   * Whether a refresh token can be used once; reuse then revokes all tokens of the login. Not documented.
   *
   * @default true
   */
  readonly rotateRefreshTokens?: boolean
  /** How long a used refresh token can be used again. Not documented. @default 0 */
  readonly refreshGraceSeconds?: number
  /** Whether each refresh restarts the lifetime of the refresh token. Not documented. @default true */
  readonly slidingRefreshTokens?: boolean
  /**
   * How the token response states the expiry. The reference lists `expires_at`, its examples show both.
   *
   * @default 'both'
   */
  readonly expiry?: 'expires_in' | 'expires_at' | 'both' | 'none'
  /** Issuer in metadata and tokens. @default the origin */
  readonly issuer?: string
  /**
   * Whether the authorization response carries `iss` (RFC 9207) and the metadata announces it. Not documented.
   *
   * @default false
   */
  readonly authorizationResponseIss?: boolean
  /** Status of the redirect from `users/me` and `tenants/me`. Reported as 301 or 302. @default 302 */
  readonly usersMeRedirectStatus?: 301 | 302 | 303 | 307 | 308
  /**
   * Valid access tokens per user and client; the token endpoint responds with 403 beyond. The number is not documented.
   *
   * @default 1000
   */
  readonly maxTokensPerUser?: number
  /** Whether web clients may omit PKCE. Documented as required. @default false */
  readonly pkceOptional?: boolean
  /** Scopes that the authorization endpoint rejects. Reported for `openid`. @default ['openid'] */
  readonly refusedScopes?: readonly string[]
  /** Whether /oauth/revoke requires client authentication. Not documented. @default false */
  readonly revokeRequiresClient?: boolean
  /** Whether revoking a refresh token revokes the access tokens of the login. Not documented. @default true */
  readonly revokeCascades?: boolean
  /** Whether revoking a token closes its engine sockets. Not documented. @default false */
  readonly revokeClosesSockets?: boolean
  /**
   * Whether OAuth errors have RFC 6749's `error` in addition to Qlik's `errors`. Qlik documents `errors` only.
   *
   * @default false
   */
  readonly rfc6749Errors?: boolean
  /**
   * How id and secret in Basic credentials are encoded: `raw`, `form` (RFC 6749, section 2.3.1), or either. Not
   * documented.
   *
   * @default 'either'
   */
  readonly basicEncoding?: 'raw' | 'form' | 'either'
  /** Lifetime of the login at the tenant. Documented: 24 hours. @default 86400 */
  readonly loginSeconds?: number
  /** Bytes kept of each uploaded file; the rest is read back as zeros. @default 16777216 */
  readonly keptUploadBytes?: number
  /** Pause between the events of a streamed response. @default 20 */
  readonly streamIntervalMs?: number
  /** Number of requests kept in `requests`. @default 100000 */
  readonly rememberedRequests?: number
  /** The clock, in milliseconds since the epoch. @default Date.now */
  readonly now?: () => number
}

/** The options with their defaults. */
export type Settings = Required<Omit<TenantOptions, 'clients' | 'users' | 'apps' | 'issuer'>> & {
  readonly issuer: string | undefined
}

/** Applies the defaults. @throws RangeError for an invalid number */
export function settle(options: TenantOptions): Settings {
  const settings: Settings = {
    port: options.port ?? 0,
    regionPort: options.regionPort ?? 0,
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
  for (const name of ['port', 'regionPort'] as const) {
    const port = settings[name]
    if (!Number.isInteger(port) || port < 0 || port > 65_535)
      throw new RangeError(`${name} must be a whole number from 0 to 65535, got ${JSON.stringify(port)}`)
  }
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value === 'number' && !(value >= 0))
      throw new RangeError(`${name} must not be negative, got ${JSON.stringify(value)}`)
  }
  return settings
}
