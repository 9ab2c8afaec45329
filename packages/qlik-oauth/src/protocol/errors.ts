import { type ErrorCode, errorCatalogue } from './error-catalogue.ts'

export interface ErrorDetails {
  cause?: unknown
  /** Seconds after which a retry makes sense; becomes `Retry-After`. */
  retryAfterSeconds?: number | undefined
  /** Methods allowed for the resource; becomes `Allow`. */
  allow?: readonly string[]
  /** Overrides the status of the code, such as the tenant's own status when it is passed on. */
  status?: number
  /** Whether the message may be sent to the client: it then names no host, token or received value. @default false */
  expose?: boolean
}

/**
 * A 401 must have a challenge (RFC 9110, section 15.5.2). No registered scheme stands for a session cookie, and
 * browsers open a dialog for those they know, such as Basic.
 */
export const challenge = 'Session realm="application"'

/**
 * The error class of qlik-oauth and express-qlik-oauth. Switch on `code`, read `message`; `cause` holds the underlying
 * failure.
 *
 * `instanceof QlikOAuthError` is also true for errors of another installed copy of this package.
 */
export class QlikOAuthError extends Error {
  override readonly name: string = 'QlikOAuthError'
  readonly code: ErrorCode
  /** HTTP status of the response that this error becomes. */
  readonly status: number
  /** What the code means, in words that may be shown to the client. */
  readonly title: string
  /** Whether `message` may be sent to the client. */
  readonly expose: boolean
  readonly retryAfterSeconds: number | undefined
  readonly allow: readonly string[] | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.status = details.status ?? errorCatalogue[code].status
    this.title = errorCatalogue[code].title
    this.expose = details.expose ?? false
    this.retryAfterSeconds = details.retryAfterSeconds ?? defaultRetryAfterSeconds[this.status]
    this.allow = details.allow
    Object.defineProperty(this, brand, { value: true })
  }

  /** Headers of that response; Express's own error handler sends them. */
  get headers(): Readonly<Record<string, string>> {
    return {
      'cache-control': 'no-store',
      ...(this.status === 401 ? { 'www-authenticate': challenge } : {}),
      ...(this.retryAfterSeconds === undefined ? {} : { 'retry-after': String(this.retryAfterSeconds) }),
      ...(this.allow === undefined ? {} : { allow: this.allow.join(', ') }),
    }
  }

  /** The name by which instances of another copy are recognised; subclasses of applications have none. */
  protected static readonly errorName: string = 'QlikOAuthError'

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (Function.prototype[Symbol.hasInstance].call(this, value)) return true
    if (!(value instanceof Error) || Reflect.get(value, brand) !== true) return false
    return this === QlikOAuthError || (Object.hasOwn(this, 'errorName') && value.name === this.errorName)
  }
}

/** Shared by all copies of this package in one process. */
const brand = Symbol.for('qlik-oauth.error')
const defaultRetryAfterSeconds: Readonly<Record<number, number>> = { 429: 60, 503: 5 }

/** The token endpoint returned an error response. RFC 6749, section 5.2. */
export class TokenResponseError extends QlikOAuthError {
  protected static override readonly errorName: string = 'TokenResponseError'
  override readonly name = 'TokenResponseError'
  /** The error code of RFC 6749, section 5.2; Qlik's `errors[]` are mapped to it. */
  readonly error: string
  readonly errorDescription: string | undefined
  /** Qlik's own code, such as `OAUTH-22`, when it sent one. */
  readonly qlikCode: string | undefined
  readonly responseStatus: number

  constructor(response: {
    error: string
    errorDescription?: string | undefined
    qlikCode?: string | undefined
    status: number
  }) {
    const received = response.qlikCode === undefined ? response.error : `${response.error} (${response.qlikCode})`
    super(
      'ERR_TOKEN_REFUSED',
      `The token endpoint refused the request: ${received}${hint(response.error, response.status)}`,
    )
    this.error = response.error
    this.errorDescription = response.errorDescription
    this.qlikCode = response.qlikCode
    this.responseStatus = response.status
  }
}

/** Whether the tenant refused the grant itself: a refresh token or a code that is used, revoked or expired. */
export function isGrantRefused(error: unknown): boolean {
  return error instanceof TokenResponseError && error.error === 'invalid_grant'
}

/**
 * Whether the tenant refuses the user. Qlik documents a 403 of the token endpoint for a disabled user and for one with
 * too many tokens.
 */
export function isUserRefused(error: unknown): error is TokenResponseError {
  return error instanceof TokenResponseError && error.error === 'access_denied'
}

/** Whether the tenant says that the user is disabled. Qlik publishes no list of its codes, so its words count. */
export function isUserDisabled(error: unknown): boolean {
  if (!isUserRefused(error)) return false
  const { errorDescription = '' } = error
  return (
    /disabled|deactivated|deleted|inactive/i.test(errorDescription) && !/token|limit|maximum/i.test(errorDescription)
  )
}

export interface TenantErrorDetail {
  /** Such as `HTTP-403` or `TENANTS-8`. */
  readonly code: string
  readonly title: string
  readonly detail?: string
}

/** The tenant's REST API returned an error response. */
export class TenantResponseError extends QlikOAuthError {
  protected static override readonly errorName: string = 'TenantResponseError'
  override readonly name = 'TenantResponseError'
  readonly responseStatus: number
  /** Qlik's `errors[]`. */
  readonly errors: readonly TenantErrorDetail[]
  /** Identifies the request for Qlik's support. */
  readonly traceId: string | undefined

  constructor(response: {
    message: string
    status: number
    errors: readonly TenantErrorDetail[]
    traceId?: string | undefined
    retryAfterSeconds?: number | undefined
  }) {
    const received = response.errors.map(({ code, title, detail }) => `${detail ?? title} (${code})`).join('; ')
    super('ERR_TENANT_REFUSED', received === '' ? response.message : `${response.message}: ${received}`, {
      retryAfterSeconds: response.retryAfterSeconds,
    })
    this.responseStatus = response.status
    this.errors = response.errors
    this.traceId = response.traceId
  }
}

function hint(error: string, status: number): string {
  if (status === 403) {
    return '. The user is disabled or has reached the token limit of the tenant: share one store between processes and revoke unused tokens'
  }
  if (error === 'invalid_client') return '. The tenant does not know this client, or the secret or key is wrong'
  return ''
}

/** The message of a thrown value, for a log line. A value that is not an error may be a secret, and is not shown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'A non-Error value was thrown'
}
