import { randomBytes } from 'node:crypto'
import { QlikOAuthError } from '../protocol/errors.ts'
import { anonymousEmbedGrant } from '../protocol/grants.ts'
import { quoted } from '../protocol/tenant-origin.ts'
import { requireTier } from '../protocol/tier.ts'
import { cachedTokens, type SharedTokenOptions } from './cached-tokens.ts'
import type { TokenSource } from './token-source.ts'

export interface AnonymousTokensOptions extends SharedTokenOptions {
  /** The `eac` of the app's link for anonymous access. */
  readonly accessCode: string
  /**
   * 40 hexadecimal digits by which the tenant tells visitors apart. One given here gets a token of its own.
   *
   * @default one per process
   */
  readonly trackingCode?: string
}

/**
 * Tokens for pages that anybody may see (`urn:qlik:oauth:anonymous-embed`).
 *
 * Not confirmed: Qlik's REST reference does not list this endpoint; request and answer are those of its own browser
 * library. The feature exists in the Stockholm region (`se`) only.
 *
 * @throws ERR_CONFIGURATION, ERR_TIER
 */
export function anonymousTokens({ accessCode, trackingCode, ...shared }: AnonymousTokensOptions): TokenSource {
  if (typeof accessCode !== 'string' || accessCode === '') {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `accessCode must be the eac of an app's anonymous link, got ${typeof accessCode}.`,
    )
  }
  if (trackingCode !== undefined && !/^[0-9a-f]{40}$/.test(trackingCode)) {
    throw new QlikOAuthError(
      'ERR_CONFIGURATION',
      `trackingCode must be 40 hexadecimal digits in lower case, got ${quoted(trackingCode)}.`,
    )
  }
  requireTier(shared.client, 'tenant', 'open apps to anonymous visitors')
  return cachedTokens({
    ...shared,
    grant: anonymousEmbedGrant(accessCode, trackingCode ?? newTrackingCode()),
    holder: JSON.stringify([accessCode, trackingCode]),
    request: { endpoint: `${shared.client.tenant}/oauth/token/anonymous-embed`, json: true },
  })
}

/** The time in seconds and randomness, both hexadecimal, as Qlik's library makes it. */
function newTrackingCode(): string {
  const seconds = Math.floor(Date.now() / 1000).toString(16)
  return (seconds + randomBytes(20).toString('hex')).slice(0, 40)
}
