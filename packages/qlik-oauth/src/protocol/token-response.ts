import { isObject, parseJson } from './json.ts'
import type { TenantResponse } from './tenant-http.ts'
import { parsePositiveNumber } from './token-set.ts'

/**
 * Turns a token response of Qlik Cloud into one of RFC 6749. `errors[]` become `error` and `error_description`. A
 * field that is `null`, an optional field that is empty, and an `expires_in` that is not a positive number count as
 * absent; whatever else is there must be valid.
 *
 * The meaning of Qlik's error codes is known in part: OAUTH-14 and OAUTH-22 concern the client, and Qlik's reference
 * says that a 401 concerns "login, tokens, code or credentials". An error that names the client becomes
 * `invalid_client`, any other 400 or 401 `invalid_grant`.
 */
export function toRfcTokenResponse(response: TenantResponse, grantType: string): Response {
  const { status, text, headers } = response
  const json = parseJson(text)
  if (json === undefined) return fetchResponse(status, text, String(headers['content-type'] ?? 'text/plain'))
  if (status >= 400 && typeof json.error !== 'string')
    return fetchResponse(status, JSON.stringify(rfcError(json, status, grantType)))

  const { expires_in, ...rest } = json
  const present = Object.entries(rest).filter(([name, value]) => value !== null && !(value === '' && isOptional(name)))
  const lifetime = parsePositiveNumber(expires_in)
  const fields = { ...Object.fromEntries(present), ...(lifetime === undefined ? {} : { expires_in: lifetime }) }
  return fetchResponse(status, JSON.stringify(fields))
}

/** The optional fields of a token response that are read. RFC 6749, section 5.1. */
function isOptional(name: string): boolean {
  return name === 'refresh_token' || name === 'scope' || name === 'id_token'
}

function rfcError(json: Record<string, unknown>, status: number, grantType: string): Record<string, unknown> {
  const [first] = Array.isArray(json.errors) ? json.errors : []
  const { code, title, detail } = isObject(first) ? first : {}
  const description = `${String(title ?? '')} ${String(detail ?? '')}`.trim()
  return {
    error: rfcErrorCode(String(code ?? ''), description, status, grantType),
    error_description: description.slice(0, 200),
    qlik_code: code,
  }
}

function rfcErrorCode(code: string, description: string, status: number, grantType: string): string {
  if (code === 'OAUTH-14' || code === 'OAUTH-22') return 'invalid_client'
  if (status === 403) return 'access_denied'
  if (/client/i.test(description)) return 'invalid_client'
  if (/scope/i.test(description)) return 'invalid_scope'
  // Client credentials have no grant that could be invalid apart from the client.
  if (grantType !== 'client_credentials' && (status === 400 || status === 401)) return 'invalid_grant'
  return status === 401 ? 'invalid_client' : 'invalid_request'
}

function fetchResponse(status: number, body: string, contentType = 'application/json'): Response {
  // `Response` refuses 1xx, and a body with 204 and 304. None of them is a token response.
  return new Response(body, {
    status: status < 200 || status === 204 || status === 304 ? 400 : status,
    headers: { 'content-type': contentType },
  })
}
