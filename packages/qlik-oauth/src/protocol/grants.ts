import { configurationError, quoted } from './option-checks.ts'

/** The parameters of one token request. The token endpoint sends any grant and has no list of them. */
export interface Grant {
  readonly grant_type: string
  readonly [parameter: string]: unknown
}

/** Redeems an authorization code. RFC 6749 section 4.1.3, RFC 7636 section 4.5. */
export function authorizationCodeGrant(code: string, redirectUri: string, codeVerifier: string): Grant {
  return { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: codeVerifier }
}

/** Renews a token set. RFC 6749 section 6. */
export function refreshTokenGrant(refreshToken: string): Grant {
  return { grant_type: 'refresh_token', refresh_token: refreshToken }
}

/**
 * Requests tokens for the client itself. RFC 6749 section 4.4.
 *
 * @param scope @default every scope of the client
 */
export function clientCredentialsGrant(scope?: string): Grant {
  return scope === undefined ? { grant_type: 'client_credentials' } : { grant_type: 'client_credentials', scope }
}

/** The user of the tenant to act as: by Qlik's user id, or by the subject at the identity provider. */
export type UserLookup =
  | { readonly userId: string; readonly subject?: never }
  | { readonly subject: string; readonly userId?: never }

/**
 * Requests tokens for a user of the tenant who is not present. The user must exist at the tenant.
 *
 * @throws ERR_CONFIGURATION for a user without exactly one of `userId` and `subject`.
 */
export function impersonationGrant(user: UserLookup, scope = 'user_default'): Grant {
  return { grant_type: 'urn:qlik:oauth:user-impersonation', user_lookup: lookup(user), scope }
}

/** Requests tokens for an anonymous visitor, who opens one app by its access code. */
export function anonymousEmbedGrant(accessCode: string, trackingCode: string): Grant {
  return { grant_type: 'urn:qlik:oauth:anonymous-embed', eac: accessCode, tracking_code: trackingCode }
}

function lookup(user: UserLookup): { field: 'userId' | 'subject'; value: string } {
  const { userId, subject }: { userId?: unknown; subject?: unknown } = user ?? {}
  if (subject === undefined && typeof userId === 'string' && userId !== '') return { field: 'userId', value: userId }
  if (userId === undefined && typeof subject === 'string' && subject !== '') return { field: 'subject', value: subject }
  throw configurationError(
    `The user to impersonate must be {userId} or {subject} with a non-empty string, got ${quoted(user)}.`,
  )
}
