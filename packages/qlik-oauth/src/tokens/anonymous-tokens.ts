import { randomBytes } from 'node:crypto'
import { requireTier } from '../protocol/client.ts'
import { anonymousEmbedGrant } from '../protocol/grants.ts'
import { invalidOption, secretText } from '../protocol/option-checks.ts'
import { cachedTokens, checkTokenOptions, type SharedTokenOptions } from './cached-tokens.ts'
import type { TokenSource } from './token-source.ts'

export interface AnonymousTokensOptions extends SharedTokenOptions {
  /** The `eac` of the app's link for anonymous access. */
  readonly accessCode: string
  /**
   * 40 lower-case hexadecimal digits by which the tenant distinguishes visitors. A tracking code has a token of its
   * own.
   *
   * @default one code per process, and one token for all processes
   */
  readonly trackingCode?: string
}

/**
 * Tokens for pages that anyone may see (`urn:qlik:oauth:anonymous-embed`).
 *
 * Not confirmed: Qlik's REST reference does not list the endpoint; request and response are those of Qlik's browser
 * library. The feature exists in the Stockholm region (`se`) only.
 *
 * @throws ERR_CONFIGURATION for an invalid option; ERR_TIER for a region's or an organization's client.
 */
export function anonymousTokens(options: AnonymousTokensOptions): TokenSource {
  checkTokenOptions('anonymousTokens', options, ['accessCode', 'trackingCode'])
  const { accessCode, trackingCode, ...shared } = options
  // The access code opens the app.
  secretText('accessCode', accessCode, "It is the eac of an app's anonymous link.")
  if (trackingCode !== undefined && !(typeof trackingCode === 'string' && /^[0-9a-f]{40}$/.test(trackingCode)))
    throw invalidOption('trackingCode', '40 hexadecimal digits in lower case', trackingCode)
  requireTier(shared.client, 'tenant', 'open apps to anonymous visitors')
  return cachedTokens({
    ...shared,
    grant: anonymousEmbedGrant(accessCode, trackingCode ?? newTrackingCode()),
    holder: JSON.stringify([accessCode, trackingCode]),
    request: { endpoint: `${shared.client.tenant}/oauth/token/anonymous-embed`, json: true },
  })
}

/** The time in seconds and random bytes, both hexadecimal, as Qlik's library generates it. */
function newTrackingCode(): string {
  const seconds = Math.floor(Date.now() / 1000).toString(16)
  return (seconds + randomBytes(20).toString('hex')).slice(0, 40)
}
