import { impersonationGrant, type UserLookup } from '../protocol/grants.ts'
import { scopeList } from '../protocol/scope.ts'
import { requireTier } from '../protocol/tier.ts'
import { cachedTokens, type SharedTokenOptions } from './cached-tokens.ts'
import { requireConfidential } from './machine-tokens.ts'
import type { TokenSource } from './token-source.ts'

export interface ImpersonatedTokensOptions extends SharedTokenOptions {
  /** Keep it narrow: whoever holds such a token is that user. @default 'user_default' */
  readonly scope?: string
}

/**
 * Tokens that stand for users of the tenant who are not there, for applications with a login of their own
 * (`urn:qlik:oauth:user-impersonation`).
 *
 * The application answers for whom it names here: nothing at the tenant asks the user. The user must already exist at
 * the tenant.
 *
 * @returns A function that gives the token source of one user.
 * @throws ERR_CONFIGURATION for a public client, ERR_TIER for one that is not the tenant's own.
 * @example
 * const tokensOf = impersonatedTokens({ client: client({ tenant, clientId, clientSecret }), store })
 * const tokens = tokensOf({ subject: 'auth0|ann' })
 */
export function impersonatedTokens({
  scope = 'user_default',
  ...shared
}: ImpersonatedTokensOptions): (user: UserLookup) => TokenSource {
  requireConfidential(shared.client, 'impersonatedTokens')
  requireTier(shared.client, 'tenant', 'impersonate users')
  const scopes = scopeList(scope).join(' ')
  const sources = new Map<string, TokenSource>()

  return user => {
    const grant = impersonationGrant(user, scopes)
    const holder = JSON.stringify(grant.user_lookup)
    const source = sources.get(holder) ?? cachedTokens({ ...shared, grant, holder })
    // The most recently used stand last; a forgotten source costs its user one look into the store.
    sources.delete(holder)
    sources.set(holder, source)
    const [oldest] = sources.keys()
    if (sources.size > rememberedUsers && oldest !== undefined) sources.delete(oldest)
    return source
  }
}

const rememberedUsers = 5000
