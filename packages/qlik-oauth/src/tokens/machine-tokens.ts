import type { QlikClient } from '../protocol/client.ts'
import { clientCredentialsGrant } from '../protocol/grants.ts'
import { configurationError, scopeList } from '../protocol/option-checks.ts'
import { cachedTokens, checkTokenOptions, type SharedTokenOptions } from './cached-tokens.ts'
import type { TokenSource } from './token-source.ts'

export interface MachineTokensOptions extends SharedTokenOptions {
  /** Scopes separated by spaces. @default every scope of the client */
  readonly scope?: string
}

/**
 * Tokens of the client itself, for scripts and back ends (client credentials, RFC 6749 section 4.4). At the tenant they
 * act as the client's own user, a `qlikbot`.
 *
 * @throws ERR_CONFIGURATION for an invalid option and for a public client.
 * @example
 * const tokens = machineTokens({ client: qlikClient({ tenant, clientId, clientSecret }), store })
 * const headers = { authorization: `Bearer ${await tokens.accessToken()}` }
 */
export function machineTokens(options: MachineTokensOptions): TokenSource {
  checkTokenOptions('machineTokens', options, ['scope'])
  const { scope, ...shared } = options
  requireConfidential(shared.client, 'machineTokens')
  return cachedTokens({
    ...shared,
    grant: clientCredentialsGrant(scope === undefined ? undefined : scopeList(scope).join(' ')),
  })
}

/** @throws ERR_CONFIGURATION for a public client. */
export function requireConfidential(client: QlikClient, name: string): void {
  if (client.authentication.confidential) return
  throw configurationError(
    `${name} needs a client that authenticates: pass a clientSecret or a privateKeyJwt() as authentication to qlikClient.`,
  )
}
