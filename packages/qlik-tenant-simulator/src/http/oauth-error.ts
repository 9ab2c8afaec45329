import { QlikError } from './qlik-error.ts'

/**
 * Errors of the OAuth endpoints. OAUTH-1, 14, 22 and 29 are known from Qlik Cloud. Qlik publishes no list of the codes,
 * so the codes from 901 are the simulator's own.
 */
const table = {
  redirect_uri: { status: 400, code: 'OAUTH-1', title: 'Invalid redirect_uri', error: 'invalid_request' },
  client: { status: 400, code: 'OAUTH-14', title: 'Invalid client_id', error: 'invalid_client' },
  secret: { status: 401, code: 'OAUTH-22', title: 'Invalid client_secret', error: 'invalid_client' },
  origin: { status: 400, code: 'OAUTH-29', title: 'Invalid Origin Header', error: 'invalid_request' },
  request: { status: 400, code: 'OAUTH-901', title: 'Invalid request', error: 'invalid_request' },
  grant_type: { status: 400, code: 'OAUTH-902', title: 'Invalid grant_type', error: 'unsupported_grant_type' },
  unauthorized_client: {
    status: 400,
    code: 'OAUTH-903',
    title: 'Grant not allowed for this client',
    error: 'unauthorized_client',
  },
  scope: { status: 400, code: 'OAUTH-904', title: 'Invalid scope', error: 'invalid_scope' },
  code: { status: 401, code: 'OAUTH-905', title: 'Invalid code', error: 'invalid_grant' },
  refresh_token: { status: 401, code: 'OAUTH-906', title: 'Invalid refresh_token', error: 'invalid_grant' },
  subject_token: { status: 401, code: 'OAUTH-907', title: 'Invalid subject_token', error: 'invalid_grant' },
  assertion: { status: 401, code: 'OAUTH-908', title: 'Invalid client_assertion', error: 'invalid_client' },
  user: { status: 401, code: 'OAUTH-909', title: 'Invalid user', error: 'invalid_grant' },
  access_code: { status: 401, code: 'OAUTH-910', title: 'Invalid access code', error: 'invalid_grant' },
  user_disabled: { status: 403, code: 'OAUTH-911', title: 'User is disabled', error: 'access_denied' },
  too_many_tokens: {
    status: 403,
    code: 'OAUTH-912',
    title: 'Maximum number of tokens reached',
    error: 'access_denied',
  },
  response_type: { status: 400, code: 'OAUTH-913', title: 'Invalid response_type', error: 'unsupported_response_type' },
  login_required: { status: 400, code: 'OAUTH-914', title: 'Login required', error: 'login_required' },
  consent_required: { status: 400, code: 'OAUTH-915', title: 'Consent required', error: 'consent_required' },
  access_denied: { status: 403, code: 'OAUTH-916', title: 'The user denied the request', error: 'access_denied' },
} as const

export type OAuthProblem = keyof typeof table

/** An error response of an OAuth endpoint. */
export class OAuthError extends QlikError {
  /** The equivalent error code of RFC 6749. */
  readonly error: string

  constructor(problem: OAuthProblem, detail?: string) {
    const { status, code, title, error } = table[problem]
    super(status, code, title, detail)
    this.error = error
  }

  /** The same error with `error` and `error_description` (RFC 6749, section 5.2) in addition to Qlik's `errors`. */
  withRfc6749Fields(): QlikError {
    const body = { ...this.body(), error: this.error, error_description: this.message }
    return Object.assign(new QlikError(this.status, this.code, this.title, this.detail), { body: () => body })
  }
}
