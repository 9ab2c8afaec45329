import { unlessAborted } from './abort.ts'
import { QlikOAuthError } from './errors.ts'
import { parseJson } from './json.ts'
import { originOf, type TenantHost } from './tenant-host.ts'
import type { TenantHttp } from './tenant-http.ts'
import { pathOnTenant } from './tenant-origin.ts'

/** The authorization server metadata that is used here. RFC 8414, section 2. */
export interface Metadata {
  readonly issuer: string
  /** The values of `iss` that are accepted: that issuer, and the configured names of the tenant. */
  readonly issuers: readonly string[]
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
 * Endpoints at an alias of the tenant are used at the tenant's own origin.
 *
 * @param issuer The issuer that the document must name, unless it names an alias.
 * @returns A function that waits for the metadata; its signal ends the wait, not the request of other callers. It
 * throws ERR_ISSUER for another issuer and for endpoints on another host.
 */
export function tenantMetadata(
  http: TenantHttp,
  issuer: string,
  aliases: TenantHost['aliases'],
): (signal?: AbortSignal) => Promise<Metadata> {
  let cached: { metadata: Promise<Metadata>; until: number } | undefined

  return signal => {
    if (cached === undefined || Date.now() >= cached.until) {
      const entry = { metadata: requestMetadata(http, issuer, aliases), until: Date.now() + cacheMs }
      cached = entry
      entry.metadata.catch(() => {
        if (cached === entry) cached = undefined
      })
    }
    return unlessAborted(cached.metadata, signal)
  }
}

const cacheMs = 60 * 60 * 1000

async function requestMetadata(http: TenantHttp, issuer: string, aliases: TenantHost['aliases']): Promise<Metadata> {
  const response = await http.request({ path: '/.well-known/oauth-authorization-server' })
  if (response.status >= 500) {
    throw new QlikOAuthError('ERR_TENANT_RESPONSE', `${http.origin} returned ${response.status} for its OAuth metadata`)
  }
  const document = response.status === 200 ? parseJson(response.text) : undefined
  const defaults = {
    issuer,
    issuers: [issuer, ...aliases],
    authorizationEndpoint: `${http.origin}/oauth/authorize`,
    tokenEndpoint: `${http.origin}/oauth/token`,
    revocationEndpoint: `${http.origin}/oauth/revoke`,
    jwksUri: `${http.origin}/.well-known/jwks.json`,
    issSupported: false,
  }
  if (document === undefined) return defaults

  if (
    typeof document.issuer !== 'string' ||
    ![issuer, ...aliases].map(withoutSlash).includes(withoutSlash(document.issuer))
  )
    throw anotherHost(`The OAuth metadata of ${http.origin} names the issuer`, document.issuer, issuer)

  const endpoint = (name: string, fallback: string): string => {
    const url = document[name] ?? fallback
    const isUrl = typeof url === 'string' && URL.canParse(url)
    const path = isUrl ? pathOnTenant(url, http.origin, '/', aliases) : undefined
    if (path !== undefined) return http.origin + path
    throw anotherHost(`${name} in the OAuth metadata of ${http.origin} is at`, url, http.origin)
  }
  return {
    issuer: document.issuer,
    issuers: [document.issuer, issuer, ...aliases],
    authorizationEndpoint: endpoint('authorization_endpoint', defaults.authorizationEndpoint),
    tokenEndpoint: endpoint('token_endpoint', defaults.tokenEndpoint),
    revocationEndpoint: endpoint('revocation_endpoint', defaults.revocationEndpoint),
    jwksUri: endpoint('jwks_uri', defaults.jwksUri),
    issSupported: document.authorization_response_iss_parameter_supported === true,
  }
}

function anotherHost(what: string, received: unknown, expected: string): QlikOAuthError {
  const origin = originOf(received)
  const hint = origin === 'no URL' ? '' : `. If both are names of the same tenant, set aliases: ["${origin}"]`
  return new QlikOAuthError('ERR_ISSUER', `${what} ${origin}, expected ${expected}${hint}`)
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '')
}
