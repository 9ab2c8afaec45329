import { type ErrorCode, QlikOAuthError } from 'qlik-oauth'
import { httpError } from '../http/http-error.ts'

/** Says in our words why the tenant's answer did not come, or not whole. */
export function tenantError(cause: Error): QlikOAuthError {
  if (cause instanceof QlikOAuthError) return cause
  const { code = '', name } = cause as NodeJS.ErrnoException
  const known =
    byCode.get(code) ?? (ofTheAnswer.test(`${name} ${code}`) ? 'ERR_TENANT_RESPONSE' : 'ERR_TENANT_UNREACHABLE')
  return httpError(known, sentences[known] ?? 'The request could not be passed on.', { cause })
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

/** What undici's parser and Node's writer say of an answer that they do not accept. */
const ofTheAnswer = /^(?:HTTPParserError|AssertionError) | ERR_HTTP_/

const sentences: Readonly<Partial<Record<ErrorCode, string>>> = {
  ERR_TENANT_UNREACHABLE: 'No connection could be made.',
  ERR_TENANT_CONNECT_TIMEOUT: 'No connection could be made in time.',
  ERR_TENANT_TIMEOUT: 'No answer came in time.',
  ERR_TENANT_BODY_TIMEOUT: 'The rest of the answer did not come in time.',
  ERR_TENANT_RESET: 'The connection ended before the answer did.',
  ERR_TENANT_RESPONSE: 'The answer is not well-formed.',
  ERR_CLOSING: 'Try again in a moment.',
}
