export interface AccessTokenOptions {
  /** An access token that the tenant answered with 401: never hand this one out again. */
  readonly rejected?: string
  readonly signal?: AbortSignal
}

/**
 * Gives an access token that is valid now.
 *
 * The seam between whoever needs a token (proxy, upgrade, `fetch`) and whoever knows how to get one: a logged-in user,
 * a machine, an impersonated or an anonymous user.
 */
export interface TokenSource {
  /** Origin of the tenant that the token is for. It is never sent anywhere else. */
  readonly tenant: string
  /**
   * @throws ERR_SESSION_EXPIRED when the login has ended; ERR_TOKEN_UNAVAILABLE when no token can be had now;
   * ERR_STORE_UNAVAILABLE when the store does not answer.
   */
  accessToken(options?: AccessTokenOptions): Promise<string>
}
