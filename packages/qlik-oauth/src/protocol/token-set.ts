/** The tokens that a token endpoint issued, with their expiry on this machine's clock. */
export interface TokenSet {
  readonly accessToken: string
  readonly refreshToken?: string
  /** Granted scopes, separated by spaces; `undefined` when the token response names none. */
  readonly scope?: string
  /** Milliseconds since the epoch at which the tokens were received. */
  readonly issuedAt: number
  /** Milliseconds since the epoch at which the access token expires. */
  readonly expiresAt: number
}

/** Lifetime of an access token whose response names none. Short, because a longer guess shows as a 401. */
export const defaultLifetimeSeconds = 300

/** The longest lifetime that is accepted; Qlik documents six hours. */
export const maxLifetimeSeconds = 24 * 60 * 60

/**
 * Reads the lifetime of an access token from a token response.
 *
 * Qlik's reference documents `expires_at`, its examples also show `expires_in`. `expires_at` is measured against the
 * `Date` of the response, so that a difference between the clocks does not matter.
 *
 * @param response The JSON of the response.
 * @param date Its `Date` header.
 * @param now Milliseconds since the epoch, for a response without `Date`.
 * @returns Seconds, more than 0 and at most `maxLifetimeSeconds`.
 */
export function lifetimeSeconds(
  response: { readonly expires_in?: unknown; readonly expires_at?: unknown },
  date: string | undefined,
  now: number,
): number {
  const expiresIn = parsePositiveNumber(response.expires_in)
  if (expiresIn !== undefined) return Math.min(expiresIn, maxLifetimeSeconds)

  const end = typeof response.expires_at === 'string' ? Date.parse(response.expires_at) : Number.NaN
  const sentAt = Date.parse(date ?? '')
  const left = parsePositiveNumber((end - (Number.isNaN(sentAt) ? now : sentAt)) / 1000)
  return Math.min(left ?? defaultLifetimeSeconds, maxLifetimeSeconds)
}

/** A finite number above 0, also as a decimal string; `undefined` for anything else. */
export function parsePositiveNumber(value: unknown): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) && number > 0 ? number : undefined
}

/** How long before its expiry an access token is due, unless the application says otherwise. */
export const defaultRefreshLeewaySeconds = 60

/**
 * Whether an access token is due.
 *
 * @param leewayMs How long before its expiry a token is due; at most a quarter of its lifetime, because short-lived
 * tokens would otherwise be due at every request.
 */
export function needsRefresh(tokens: TokenSet, now: number, leewayMs: number): boolean {
  return now >= tokens.expiresAt - Math.min(leewayMs, (tokens.expiresAt - tokens.issuedAt) / 4)
}

/**
 * The tokens of a refresh. A response without a refresh token or a scope leaves the old ones valid. RFC 6749 section 6.
 */
export function refreshedTokens(old: TokenSet, issued: TokenSet): TokenSet {
  return {
    ...(old.refreshToken === undefined ? {} : { refreshToken: old.refreshToken }),
    ...(old.scope === undefined ? {} : { scope: old.scope }),
    ...issued,
  }
}

/** The scopes of `required` that `granted` does not contain. */
export function missingScopes(granted: string | undefined, required: readonly string[]): readonly string[] {
  const scopes = new Set((granted ?? '').split(' '))
  return required.filter(name => !scopes.has(name))
}
