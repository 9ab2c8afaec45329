/** What a token endpoint issued, with its expiry on this machine's clock. */
export interface TokenSet {
  readonly accessToken: string
  readonly refreshToken?: string
  /** Granted scopes, separated by spaces, as the tenant said; `undefined` when it said nothing. */
  readonly scope?: string
  /** Milliseconds since the epoch at which the tokens were received. */
  readonly issuedAt: number
  /** Milliseconds since the epoch at which the access token ends. */
  readonly expiresAt: number
}

/**
 * Lifetime assumed when the tenant does not say one. Short, because a 401 corrects a guess that is too long only once
 * it has hurt.
 */
export const defaultLifetimeSeconds = 300

/** No lifetime is believed beyond this; Qlik documents six hours. */
export const longestLifetimeSeconds = 24 * 60 * 60

/**
 * Reads the lifetime of an access token from a token response.
 *
 * Qlik's reference lists `expires_at`, its examples show `expires_in` as well; either is taken. `expires_at` is
 * measured against the response's own `Date`, so that a clock that differs from the tenant's does no harm.
 *
 * @param response The JSON of the response.
 * @param date Its `Date` header.
 * @returns Seconds, between 1 and `longestLifetimeSeconds`.
 */
export function lifetimeSeconds(
  response: { expires_in?: unknown; expires_at?: unknown },
  date: string | undefined,
  now: number,
): number {
  const told = Number(response.expires_in)
  if (response.expires_in !== undefined && Number.isFinite(told) && told > 0)
    return Math.min(told, longestLifetimeSeconds)

  const end = typeof response.expires_at === 'string' ? Date.parse(response.expires_at) : Number.NaN
  const sent = Date.parse(date ?? '')
  const left = (end - (Number.isNaN(sent) ? now : sent)) / 1000
  return Number.isFinite(left) && left > 0 ? Math.min(left, longestLifetimeSeconds) : defaultLifetimeSeconds
}

/**
 * Tells whether an access token should be renewed before it is used.
 *
 * @param leewayMs How long before its end a token counts as used up. It never exceeds a quarter of the token's
 * lifetime: otherwise a tenant with short-lived tokens would be asked for new ones at every request.
 */
export function needsRefresh(tokens: TokenSet, now: number, leewayMs: number): boolean {
  return now >= tokens.expiresAt - Math.min(leewayMs, (tokens.expiresAt - tokens.issuedAt) / 4)
}
