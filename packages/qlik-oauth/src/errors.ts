/** What each code means to a caller over HTTP: the status of the answer and its sentence. README.md lists what to do about each. */
export const errorTable = {
  ERR_CONFIGURATION: { status: 500, title: 'The application is not configured correctly' },
  ERR_LOGIN_REQUIRED: { status: 401, title: 'Log in first' },
  ERR_SESSION_EXPIRED: { status: 401, title: 'The login has ended, log in again' },
  ERR_CALLBACK_INVALID: { status: 400, title: 'This is not an answer to a login that this browser started' },
  ERR_LOGIN_DENIED: { status: 403, title: 'The login was refused' },
  ERR_LOGIN_LOOP: { status: 508, title: 'Logging in again and again does not help' },
  ERR_RATE_LIMIT: { status: 429, title: 'Too many login attempts' },
  ERR_ISSUER: { status: 502, title: 'The answer comes from another issuer than the tenant' },
  ERR_TIER: { status: 500, title: 'A client of this tier cannot do this' },
  ERR_TOKEN_REFUSED: { status: 502, title: 'The tenant refused to issue tokens' },
  ERR_TOKEN_RESPONSE: { status: 502, title: 'The tenant answered something that is not a token response' },
  ERR_TOKEN_UNAVAILABLE: { status: 503, title: 'No valid access token can be had right now' },
  ERR_TENANT_UNREACHABLE: { status: 502, title: 'The tenant does not answer' },
  ERR_TENANT_TIMEOUT: { status: 504, title: 'The tenant did not answer in time' },
  ERR_TENANT_RESPONSE: { status: 502, title: 'The tenant answered something unexpected' },
  ERR_TENANT_REFUSED: { status: 502, title: 'The tenant refused the request' },
  ERR_STORE_UNAVAILABLE: { status: 503, title: 'The login store does not answer' },
} as const satisfies Record<string, { status: number; title: string }>

export type ErrorCode = keyof typeof errorTable

export interface ErrorDetails {
  cause?: unknown
  /** Seconds after which trying again makes sense; becomes `Retry-After`. */
  retryAfterSeconds?: number
}

/** Every error this package throws on purpose. Switch on `code`; read `message`; `cause` keeps what happened underneath. */
export class QlikOAuthError extends Error {
  override readonly name: string = 'QlikOAuthError'
  readonly code: ErrorCode
  readonly retryAfterSeconds: number | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.retryAfterSeconds = details.retryAfterSeconds
  }

  /** HTTP status of the answer that this error becomes. */
  get status(): number {
    return errorTable[this.code].status
  }

  /** Headers of that answer; Express's own error handler sends them. */
  get headers(): Readonly<Record<string, string>> {
    const seconds = this.retryAfterSeconds ?? (this.status === 503 ? 5 : undefined)
    return { 'cache-control': 'no-store', ...(seconds === undefined ? {} : { 'retry-after': String(seconds) }) }
  }
}

/** The token endpoint refused in the protocol's terms. What the tenant said stays apart from our own words. */
export class TokenResponseError extends QlikOAuthError {
  override readonly name = 'TokenResponseError'
  /** The error of RFC 6749, section 5.2; Qlik's `errors[]` are mapped to it. */
  readonly error: string
  readonly errorDescription: string | undefined
  /** Qlik's own code, such as `OAUTH-22`, when it sent one. */
  readonly qlikCode: string | undefined
  readonly responseStatus: number

  constructor(response: { error: string; errorDescription?: string | undefined; qlikCode?: string | undefined; status: number }) {
    const said = response.qlikCode === undefined ? response.error : `${response.error} (${response.qlikCode})`
    super('ERR_TOKEN_REFUSED', `The token endpoint refused the request: ${said}${advice(response.error, response.status)}`)
    this.error = response.error
    this.errorDescription = response.errorDescription
    this.qlikCode = response.qlikCode
    this.responseStatus = response.status
  }
}

export interface RefusalDetail {
  /** Such as `HTTP-403` or `TENANTS-8`. */
  readonly code: string
  readonly title: string
  readonly detail?: string
}

/** The REST API of the tenant refused a request. What it said stays apart from our own words. */
export class TenantRefusalError extends QlikOAuthError {
  override readonly name = 'TenantRefusalError'
  readonly responseStatus: number
  readonly errors: readonly RefusalDetail[]
  /** For a question to Qlik's support. */
  readonly traceId: string | undefined

  constructor(
    refusal: { message: string; status: number; errors: readonly RefusalDetail[]; traceId?: string | undefined } & Pick<
      ErrorDetails,
      'retryAfterSeconds'
    >,
  ) {
    const said = refusal.errors.map(({ code, title, detail }) => `${detail ?? title} (${code})`).join('; ')
    const { retryAfterSeconds } = refusal
    super(
      'ERR_TENANT_REFUSED',
      said === '' ? refusal.message : `${refusal.message}: ${said}`,
      retryAfterSeconds === undefined ? {} : { retryAfterSeconds },
    )
    this.responseStatus = refusal.status
    this.errors = refusal.errors
    this.traceId = refusal.traceId
  }
}

function advice(error: string, status: number): string {
  if (status === 403)
    return '. The user is disabled, or has as many tokens as the tenant allows: share one store between processes, revoke what is not used'
  if (error === 'invalid_client') return '. The tenant knows no such client, or the secret or key is not its own'
  return ''
}

/** Shortens an unknown thrown value to one line that can stand in a log. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
