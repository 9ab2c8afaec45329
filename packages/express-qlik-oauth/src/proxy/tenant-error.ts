import { type ErrorCode, QlikOAuthError } from 'qlik-oauth'
import { httpError } from '../http/response/error-response.ts'

/** Maps an error of undici, Node or zlib to a code of ours. The message names no host. */
export function tenantError(cause: Error): QlikOAuthError {
  if (cause instanceof QlikOAuthError) return cause
  const { code = '', name } = cause as NodeJS.ErrnoException
  const known =
    byCode.get(code) ?? (ofTheResponse.test(`${name} ${code}`) ? 'ERR_TENANT_RESPONSE' : 'ERR_TENANT_UNREACHABLE')
  return httpError(known, sentences[known] ?? 'The request could not be sent to the tenant.', { cause })
}

const byCode: ReadonlyMap<string, ErrorCode> = new Map([
  ['UND_ERR_CONNECT_TIMEOUT', 'ERR_TENANT_CONNECT_TIMEOUT'],
  ['ETIMEDOUT', 'ERR_TENANT_CONNECT_TIMEOUT'],
  ['UND_ERR_HEADERS_TIMEOUT', 'ERR_TENANT_TIMEOUT'],
  ['UND_ERR_BODY_TIMEOUT', 'ERR_TENANT_BODY_TIMEOUT'],
  ['UND_ERR_SOCKET', 'ERR_TENANT_RESET'],
  ['ECONNRESET', 'ERR_TENANT_RESET'],
  ['EPIPE', 'ERR_TENANT_RESET'],
  ['UND_ERR_HEADERS_OVERFLOW', 'ERR_TENANT_RESPONSE'],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'ERR_TENANT_RESPONSE'],
  ['ERR_INVALID_CHAR', 'ERR_TENANT_RESPONSE'],
  ['ERR_INVALID_HTTP_TOKEN', 'ERR_TENANT_RESPONSE'],
  ['Z_DATA_ERROR', 'ERR_TENANT_RESPONSE'],
  ['Z_BUF_ERROR', 'ERR_TENANT_RESPONSE'],
  ['UND_ERR_INVALID_ARG', 'ERR_REQUEST_INVALID'],
  ['UND_ERR_NOT_SUPPORTED', 'ERR_REQUEST_INVALID'],
  ['UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', 'ERR_REQUEST_INVALID'],
  ['UND_ERR_CLOSED', 'ERR_CLOSING'],
  ['UND_ERR_DESTROYED', 'ERR_CLOSING'],
])

/** Errors of undici's parser and Node's writer about a response that they do not accept. */
const ofTheResponse = /^(?:HTTPParserError|AssertionError) | ERR_HTTP_/

const sentences: Readonly<Partial<Record<ErrorCode, string>>> = {
  ERR_TENANT_UNREACHABLE: 'No connection could be established.',
  ERR_TENANT_CONNECT_TIMEOUT: 'No connection could be established in time.',
  ERR_TENANT_TIMEOUT: 'No response arrived in time.',
  ERR_TENANT_BODY_TIMEOUT: 'The rest of the response did not arrive in time.',
  ERR_TENANT_RESET: 'The connection ended before the response was complete.',
  ERR_TENANT_RESPONSE: 'The response is not well-formed.',
  ERR_CLOSING: 'Try again in a moment.',
}
