import { QlikOAuthError } from 'express-qlik-oauth'

/**
 * Calls the tenant with `fetch`, whose failures become errors with a code.
 *
 * @throws ERR_TENANT_TIMEOUT after ten seconds, ERR_TENANT_UNREACHABLE for other failures of `fetch`, and what `call`
 * throws.
 */
export async function callTenant(call: (signal: AbortSignal) => Promise<Response>): Promise<Response> {
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    return await call(signal)
  } catch (cause) {
    if (cause instanceof QlikOAuthError) throw cause
    if (signal.aborted) throw new QlikOAuthError('ERR_TENANT_TIMEOUT', 'No response from the tenant', { cause })
    throw new QlikOAuthError('ERR_TENANT_UNREACHABLE', 'The tenant is unreachable', { cause })
  }
}

const timeoutMs = 10_000
