import { internalsOf, type QlikClient } from '../protocol/client.ts'
import { type TenantHost, tenantHost } from '../protocol/tenant-host.ts'

export interface AccessTokenOptions {
  /** An access token that the tenant rejected with 401. It is renewed; see `TokenSource.accessToken`. */
  readonly rejected?: string
  /** Ends the wait; a token request that others wait for goes on. */
  readonly signal?: AbortSignal
}

/**
 * Provides an access token that is valid now.
 *
 * Proxies, WebSocket upgrades and `tenantApi` take any token source, and do not depend on whom its tokens stand for: a
 * logged-in user, a machine, an impersonated or an anonymous user.
 */
export interface TokenSource {
  /** Origin of the tenant that the tokens are for. They are sent to no other host. */
  readonly tenant: string
  /**
   * The client that the tokens were issued to. Its `outbound`, `aliases` and `apiVersion` apply to requests with them.
   * A source without it gets the proxy that the environment names.
   */
  readonly client?: QlikClient | undefined
  /**
   * @returns A valid access token. For `rejected`, another token; the same one when it replaced a rejected token less
   * than a minute ago, because a resource that rejects every token would otherwise cause a token request each time.
   * @throws ERR_SESSION_EXPIRED when the login has ended; ERR_TOKEN_UNAVAILABLE when no token can be obtained now;
   * ERR_TOKEN_REFUSED when the tenant refuses the token request; ERR_STORE_UNAVAILABLE when the store does not respond.
   */
  accessToken(options?: AccessTokenOptions): Promise<string>
}

/** The tenant host of the client of a token source; `undefined` without a client, and for a client of another host. */
export function clientHostOf({ tenant, client }: TokenSource): TenantHost | undefined {
  const host = client === undefined ? undefined : internalsOf(client).host
  return host?.origin === tenant ? host : undefined
}

/** @throws ERR_CONFIGURATION for a tenant that is no origin, and for an invalid proxy in the environment. */
export function hostOf(tokens: TokenSource): TenantHost {
  return clientHostOf(tokens) ?? tenantHost(tokens.tenant)
}
