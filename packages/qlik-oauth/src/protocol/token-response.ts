import { isObject, parseJson } from './json.ts'
import type { TenantResponse } from './tenant-http.ts'

/**
 * Turns a token response of Qlik Cloud into one of RFC 6749: `errors[]` become `error` and `error_description`, and a
 * lifetime that is not a positive number is left out, so that the default applies instead of a failure.
 *
 * Which of Qlik's codes mean what is known in part only: OAUTH-14 and OAUTH-22 speak of the client; Qlik's reference
 * says that a 401 concerns "login, tokens, code or credentials". What names the client is `invalid_client`, the rest of
 * 400 and 401 is `invalid_grant`.
 */
export function toRfcTokenResponse(answer: TenantResponse, grantType: string): Response {
  const json = parseJson(answer.text)
  if (json === undefined)
    return response(answer.status, answer.text, String(answer.headers['content-type'] ?? 'text/plain'))
  if (answer.status >= 400 && typeof json.error !== 'string')
    return response(answer.status, JSON.stringify(rfcError(json, answer.status, grantType)))

  const { expires_in, ...rest } = json
  const told = Number(expires_in)
  return response(
    answer.status,
    JSON.stringify(Number.isFinite(told) && told > 0 ? { ...rest, expires_in: told } : rest),
  )
}

function rfcError(json: Record<string, unknown>, status: number, grantType: string): Record<string, unknown> {
  const [first] = Array.isArray(json.errors) ? json.errors : []
  const { code, title, detail } = isObject(first) ? first : {}
  const words = `${String(title ?? '')} ${String(detail ?? '')}`
  return {
    error: rfcErrorCode(String(code ?? ''), words, status, grantType),
    error_description: words.trim().slice(0, 200),
    qlik_code: code,
  }
}

function rfcErrorCode(code: string, words: string, status: number, grantType: string): string {
  if (code === 'OAUTH-14' || code === 'OAUTH-22') return 'invalid_client'
  if (status === 403) return 'access_denied'
  if (/client/i.test(words)) return 'invalid_client'
  if (/scope/i.test(words)) return 'invalid_scope'
  // Client credentials are the one grant that consists of the client alone.
  const redeems = grantType !== 'client_credentials'
  if (redeems && (status === 400 || status === 401)) return 'invalid_grant'
  return status === 401 ? 'invalid_client' : 'invalid_request'
}

function response(status: number, body: string, contentType = 'application/json'): Response {
  // Response knows no 1xx, and bodies for 204 and 304 are refused by it; neither is a token response.
  return new Response(body, {
    status: status < 200 || status === 204 || status === 304 ? 400 : status,
    headers: { 'content-type': contentType },
  })
}
