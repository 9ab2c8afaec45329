import { QlikOAuthError } from './errors.ts'
import { parseJson } from './json.ts'
import type { TenantHttp } from './tenant-http.ts'

/** The part of RFC 8414 metadata that is used here. */
export interface Metadata {
  readonly issuer: string
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  readonly revocationEndpoint: string
  readonly jwksUri: string
  /** The tenant promises `iss` in authorization responses (RFC 9207), so its absence is an attack. */
  readonly issPromised: boolean
}

/**
 * Reads `/.well-known/oauth-authorization-server` once and keeps it for an hour. A tenant that has no such document is
 * used with the endpoints of Qlik's reference.
 *
 * @throws ERR_ISSUER when the document names another issuer or endpoints on another host; it is never used then.
 */
export function tenantMetadata(http: TenantHttp, issuer: string): (signal?: AbortSignal) => Promise<Metadata> {
  let kept: { metadata: Promise<Metadata>; until: number } | undefined

  return () => {
    if (kept !== undefined && Date.now() < kept.until) return kept.metadata
    const metadata = read(http, issuer)
    const mine = { metadata, until: Date.now() + hour }
    kept = mine
    metadata.catch(() => {
      if (kept === mine) kept = undefined
    })
    return metadata
  }
}

const hour = 60 * 60 * 1000

async function read(http: TenantHttp, issuer: string): Promise<Metadata> {
  const response = await http.request({ path: '/.well-known/oauth-authorization-server' })
  if (response.status >= 500) {
    throw new QlikOAuthError(
      'ERR_TENANT_RESPONSE',
      `${http.origin} answered ${response.status} when asked for its OAuth metadata`,
    )
  }
  const document = response.status === 200 ? parseJson(response.text) : undefined
  const documented = {
    issuer,
    authorizationEndpoint: `${http.origin}/oauth/authorize`,
    tokenEndpoint: `${http.origin}/oauth/token`,
    revocationEndpoint: `${http.origin}/oauth/revoke`,
    jwksUri: `${http.origin}/.well-known/jwks.json`,
    issPromised: false,
  }
  if (document === undefined) return documented

  if (typeof document.issuer !== 'string' || trimmed(document.issuer) !== trimmed(issuer)) {
    throw new QlikOAuthError('ERR_ISSUER', `The OAuth metadata of ${http.origin} names another issuer than ${issuer}`)
  }
  const endpoint = (name: string, fallback: string): string => {
    const url = document[name] ?? fallback
    if (typeof url === 'string' && URL.canParse(url) && new URL(url).origin === http.origin) return url
    throw new QlikOAuthError(
      'ERR_ISSUER',
      `The OAuth metadata of ${http.origin} has a ${name} that is not on this host`,
    )
  }
  return {
    issuer: document.issuer,
    authorizationEndpoint: endpoint('authorization_endpoint', documented.authorizationEndpoint),
    tokenEndpoint: endpoint('token_endpoint', documented.tokenEndpoint),
    revocationEndpoint: endpoint('revocation_endpoint', documented.revocationEndpoint),
    jwksUri: endpoint('jwks_uri', documented.jwksUri),
    issPromised: document.authorization_response_iss_parameter_supported === true,
  }
}

function trimmed(url: string): string {
  return url.replace(/\/+$/, '')
}
