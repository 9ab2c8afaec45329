/** What the HTTP layer itself refuses or reports: the status of the answer and its sentence. README.md lists what to do about each. */
export const refusalTable = {
  ERR_PATH_REFUSED: { status: 400, title: 'The path is not a plain path' },
  ERR_PATH_NOT_ALLOWED: { status: 403, title: 'The path is not open to the browser' },
  ERR_NOT_FOUND: { status: 404, title: 'There is nothing here' },
  ERR_METHOD_NOT_ALLOWED: { status: 405, title: 'The method is not allowed here' },
  ERR_INSUFFICIENT_SCOPE: { status: 403, title: 'The login lacks a scope' },
  ERR_CROSS_SITE: { status: 403, title: 'The request does not come from a page of this application' },
  ERR_REQUEST_INVALID: { status: 400, title: 'The request is not well-formed' },
  ERR_HEADERS_TOO_LARGE: { status: 431, title: 'The request has too many or too long headers' },
  ERR_URL_TOO_LONG: { status: 414, title: 'The URL is too long' },
  ERR_BODY_TOO_LARGE: { status: 413, title: 'The request has a longer body than is accepted' },
  ERR_BODY_TIMEOUT: { status: 408, title: 'The rest of the request did not arrive in time' },
  ERR_BODY_CONSUMED: { status: 500, title: 'A body parser runs before the proxy' },
  ERR_UPSTREAM_REFUSED: { status: 502, title: 'The tenant cannot be reached' },
  ERR_UPSTREAM_RESET: { status: 502, title: 'The tenant ended the connection' },
  ERR_UPSTREAM_RESPONSE: { status: 502, title: 'The tenant answered something that cannot be passed on' },
  ERR_UPSTREAM_BUSY: { status: 503, title: 'Too many requests wait for the tenant' },
  ERR_UPSTREAM_CONNECT_TIMEOUT: { status: 504, title: 'The tenant did not accept the connection in time' },
  ERR_UPSTREAM_HEADERS_TIMEOUT: { status: 504, title: 'The tenant did not answer in time' },
  ERR_UPSTREAM_BODY_TIMEOUT: { status: 504, title: 'The tenant stopped in the middle of its answer' },
  ERR_CLIENT_TIMEOUT: { status: 408, title: 'The browser stopped reading the answer' },
  ERR_UPSTREAM_STATUS: { status: 502, title: 'The tenant refused the connection' },
  ERR_SOCKET_NOT_FOUND: { status: 404, title: 'There is no WebSocket at this path' },
  ERR_SOCKET_VERSION: { status: 426, title: 'This version of the WebSocket protocol is not spoken here' },
  ERR_TOO_MANY_SOCKETS: { status: 503, title: 'Too many sockets are open' },
  ERR_TOO_MANY_LOGIN_SOCKETS: { status: 429, title: 'The login has too many sockets open' },
  ERR_LOGIN_ENDED: { status: 401, title: 'The login ended while the answer was under way' },
  ERR_CLOSING: { status: 503, title: 'The server is shutting down' },
} as const satisfies Record<string, { status: number; title: string }>

export type RefusalCode = keyof typeof refusalTable

export interface RefusalDetails {
  cause?: unknown
  /** Seconds after which trying again makes sense; becomes `Retry-After`. */
  retryAfterSeconds?: number
  /** Methods that are allowed here; becomes `Allow`. */
  allow?: readonly string[]
  /** The tenant's own status, where that is passed on. @default that of the code */
  status?: number
}

/**
 * A request that is not served, or an answer that cannot be passed on. Switch on `code`.
 *
 * The message is shown to the browser: it must name no host, no token and no value that the other side sent.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode
  readonly retryAfterSeconds: number | undefined
  readonly allow: readonly string[] | undefined
  /** HTTP status of the answer that this refusal becomes. */
  readonly status: number

  constructor(code: RefusalCode, message: string, details: RefusalDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.retryAfterSeconds = details.retryAfterSeconds
    this.allow = details.allow
    this.status = details.status ?? refusalTable[code].status
  }

  get title(): string {
    return refusalTable[this.code].title
  }
}
