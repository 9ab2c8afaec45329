import { unlessAborted } from './abort.ts'
import { QlikOAuthError } from './errors.ts'
import { parseJson } from './json.ts'
import type { TenantHttp } from './tenant-http.ts'
import { pathOnTenant } from './tenant-origin.ts'

/** The authorization server metadata that is used here. RFC 8414, section 2. */
export interface Metadata {
  readonly issuer: string
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  readonly revocationEndpoint: string
  readonly jwksUri: string
  /** Whether the tenant sends `iss` in every authorization response. RFC 9207, section 3. */
  readonly issSupported: boolean
}

/**
 * Requests `/.well-known/oauth-authorization-server` and keeps the metadata for an hour. A failure is not kept. For a
 * tenant without such a document, the endpoints of Qlik's reference are used.
 *
 * @param issuer The issuer that the document must name.
 * @returns A function that waits for the metadata; its signal ends the wait, not the request of other callers. It
 * throws ERR_ISSUER for another issuer and for endpoints on another host.
 */
export function tenantMetadata(http: TenantHttp, issuer: string): (signal?: AbortSignal) => Promise<Metadata> {
  let cached: { metadata: Promise<Metadata>; until: number } | undefined

  return signal => {
    if (cached === undefined || Date.now() >= cached.until) {
      const entry = { metadata: requestMetadata(http, issuer), until: Date.now() + cacheMs }
      cached = entry
      entry.metadata.catch(() => {
        if (cached === entry) cached = undefined
      })
    }
    return unlessAborted(cached.metadata, signal)
  }
}

const cacheMs = 60 * 60 * 1000

async function requestMetadata(http: TenantHttp, issuer: string): Promise<Metadata> {
  const response = await http.request({ path: '/.well-known/oauth-authorization-server' })
  if (response.status >= 500) {
    throw new QlikOAuthError('ERR_TENANT_RESPONSE', `${http.origin} returned ${response.status} for its OAuth metadata`)
  }
  const document = response.status === 200 ? parseJson(response.text) : undefined
  const defaults = {
    issuer,
    authorizationEndpoint: `${http.origin}/oauth/authorize`,
    tokenEndpoint: `${http.origin}/oauth/token`,
    revocationEndpoint: `${http.origin}/oauth/revoke`,
    jwksUri: `${http.origin}/.well-known/jwks.json`,
    issSupported: false,
  }
  if (document === undefined) return defaults

  if (typeof document.issuer !== 'string' || withoutSlash(document.issuer) !== withoutSlash(issuer))
    throw new QlikOAuthError('ERR_ISSUER', `The OAuth metadata of ${http.origin} does not name the issuer ${issuer}`)

  const endpoint = (name: string, fallback: string): string => {
    const url = document[name] ?? fallback
    if (typeof url === 'string' && URL.canParse(url) && pathOnTenant(url, http.origin) !== undefined) return url
    throw new QlikOAuthError('ERR_ISSUER', `${name} in the OAuth metadata of ${http.origin} is not on that host`)
  }
  return {
    issuer: document.issuer,
    authorizationEndpoint: endpoint('authorization_endpoint', defaults.authorizationEndpoint),
    tokenEndpoint: endpoint('token_endpoint', defaults.tokenEndpoint),
    revocationEndpoint: endpoint('revocation_endpoint', defaults.revocationEndpoint),
    jwksUri: endpoint('jwks_uri', defaults.jwksUri),
    issSupported: document.authorization_response_iss_parameter_supported === true,
  }
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '')
}
