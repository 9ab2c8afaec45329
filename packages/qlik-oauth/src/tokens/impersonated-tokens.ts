import { LRUCache } from 'lru-cache'
import { requireTier } from '../protocol/client.ts'
import { impersonationGrant, type UserLookup } from '../protocol/grants.ts'
import { scopeList } from '../protocol/option-checks.ts'
import { cachedTokens, checkTokenOptions, type SharedTokenOptions } from './cached-tokens.ts'
import { requireConfidential } from './machine-tokens.ts'
import type { TokenSource } from './token-source.ts'

export interface ImpersonatedTokensOptions extends SharedTokenOptions {
  /** Scopes separated by spaces. Keep them few: the token acts as the user. @default 'user_default' */
  readonly scope?: string
}

/**
 * Tokens of users who are not present, for applications that authenticate users themselves
 * (`urn:qlik:oauth:user-impersonation`).
 *
 * The application decides who the user is; the tenant does not ask the user. The user must exist at the tenant.
 *
 * @returns A function that returns the token source of one user, and throws ERR_CONFIGURATION for an invalid user.
 * @throws ERR_CONFIGURATION for an invalid option and for a public client; ERR_TIER for a region's or an organization's
 * client.
 * @example
 * const tokensOf = impersonatedTokens({ client: qlikClient({ tenant, clientId, clientSecret }), store })
 * const tokens = tokensOf({ subject: 'auth0|ann' })
 */
export function impersonatedTokens(options: ImpersonatedTokensOptions): (user: UserLookup) => TokenSource {
  checkTokenOptions('impersonatedTokens', options, ['scope'])
  const { scope = 'user_default', ...shared } = options
  requireConfidential(shared.client, 'impersonatedTokens')
  requireTier(shared.client, 'tenant', 'impersonate users')
  const scopes = scopeList(scope).join(' ')
  // An evicted source costs its user one lookup in the store.
  const sources = new LRUCache<string, TokenSource>({ max: maxSources, ttl: sourceMs, ttlAutopurge: true })

  return user => {
    const grant = impersonationGrant(user, scopes)
    const holder = JSON.stringify(grant.user_lookup)
    const source = sources.get(holder) ?? cachedTokens({ ...shared, grant, holder })
    if (!sources.has(holder)) sources.set(holder, source)
    return source
  }
}

const maxSources = 5000
/** How long the token of a user stays in this process's memory. */
const sourceMs = 60 * 60 * 1000
