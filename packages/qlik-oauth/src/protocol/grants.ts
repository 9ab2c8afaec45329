import { QlikOAuthError } from './errors.ts'
import { quoted } from './tenant-origin.ts'

/** The parameters of one token request; the token endpoint sends any grant and has no list of them. */
export interface Grant {
  readonly grant_type: string
  readonly [parameter: string]: unknown
}

/** Redeems an authorization code. RFC 6749 section 4.1.3, RFC 7636 section 4.5. */
export function authorizationCodeGrant(code: string, redirectUri: string, codeVerifier: string): Grant {
  return { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: codeVerifier }
}

/** Renews a token set. RFC 6749 section 6. */
export function refreshTokenGrant(token: string): Grant {
  return { grant_type: 'refresh_token', refresh_token: token }
}

/** Asks for tokens of the client itself. RFC 6749 section 4.4. */
export function clientCredentialsGrant(scope?: string): Grant {
  return scope === undefined ? { grant_type: 'client_credentials' } : { grant_type: 'client_credentials', scope }
}

/** The user of the tenant to act as: by Qlik's user id, or by the subject of the identity provider. */
export type UserLookup = { readonly userId: string } | { readonly subject: string }

/** Asks for tokens as a user of the tenant, without that user being present. The user must already exist. */
export function impersonationGrant(user: UserLookup, scope = 'user_default'): Grant {
  return { grant_type: 'urn:qlik:oauth:user-impersonation', user_lookup: lookup(user), scope }
}

/** Asks for tokens of an anonymous visitor, who opens one app by its access code. */
export function anonymousEmbedGrant(accessCode: string, trackingCode: string): Grant {
  return { grant_type: 'urn:qlik:oauth:anonymous-embed', eac: accessCode, tracking_code: trackingCode }
}

function lookup(user: UserLookup): { field: 'userId' | 'subject'; value: string } {
  const field = 'userId' in user ? 'userId' : 'subject'
  const value: unknown = 'userId' in user ? user.userId : user.subject
  if (typeof value === 'string' && value !== '') return { field, value }
  throw new QlikOAuthError(
    'ERR_CONFIGURATION',
    `The user to impersonate must be {userId} or {subject} with a text in it, got ${quoted(user)}.`,
  )
}
