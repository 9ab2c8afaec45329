import type { IncomingMessage, ServerResponse } from 'node:http'
import { qlikClient } from 'qlik-oauth'
import { escapeHtml, scopeList } from 'qlik-oauth/internal'
import { publicLocation } from './http/location/public-location.ts'
import { configurationError, mountPath, rejectUnknownOptions } from './http/options/option-checks.ts'
import { httpError, sendError } from './http/response/error-response.ts'

export interface SinglePageClientOptions {
  /** Origin of the tenant, such as `https://acme.eu.qlikcloud.com`. */
  readonly tenant: string
  /** A client of type `spa` with `publicUrl` among its allowed origins. */
  readonly clientId: string
  /** Address at which browsers see this application. */
  readonly publicUrl: string
  /**
   * Path of the callback page below `publicUrl`. `publicUrl` and this path are the redirect URI of the client.
   *
   * @default '/spa/callback'
   */
  readonly callbackPath?: string
  /**
   * Path below `publicUrl` at which the application serves `oauth-callback.js` of `@qlik/embed-web-components`.
   *
   * @default '/qlik-embed/oauth-callback.js'
   */
  readonly callbackScript?: string
  /**
   * Scopes for @qlik/api, separated by spaces. qlik-embed has no attribute for them and requests `user_default`.
   *
   * @default 'user_default'
   */
  readonly scope?: string
}

/** The argument of `setDefaultHostConfig` of @qlik/api. */
export interface SinglePageHostConfig {
  readonly host: string
  readonly authType: 'oauth2'
  readonly clientId: string
  readonly redirectUri: string
  readonly scope: string
  readonly accessTokenStorage: 'session'
}

export interface SinglePageClient {
  /** Attributes for the `<script>` of qlik-embed, as HTML: `data-host="…" data-auth-type="oauth2" …`. */
  readonly attributes: string
  readonly hostConfig: SinglePageHostConfig
  /** Directives for helmet, for the pages that use this client. */
  readonly contentSecurityPolicy: Readonly<Record<string, string[] | null>>
  /** The page at the redirect URI: Qlik's script validates the authorization response and returns to the page. */
  callback(request: IncomingMessage, response: ServerResponse): void
}

/**
 * Configures a page that is an OAuth client itself (public client with PKCE): the browser logs in, holds the access
 * token and calls the tenant directly.
 *
 * A script that gets into the page gets the token. Use it where the browser must reach the tenant without this server;
 * otherwise use `qlikAuth`, which keeps the token on the server.
 *
 * @throws ERR_CONFIGURATION
 * @example
 * const page = singlePageClient({ tenant, clientId, publicUrl })
 * app.use('/spa', helmet({ contentSecurityPolicy: { directives: page.contentSecurityPolicy } }))
 * app.get('/spa/callback', page.callback)
 */
export function singlePageClient(options: SinglePageClientOptions): SinglePageClient {
  rejectUnknownOptions('singlePageClient', options, optionNames)
  const {
    scope: requestedScope = 'user_default',
    callbackPath: ownPath = '/spa/callback',
    callbackScript: scriptPath = '/qlik-embed/oauth-callback.js',
  } = options
  const client = qlikClient({
    tenant: options.tenant,
    clientId: options.clientId,
    scope: requestedScope,
  })
  const { tenant, clientId, scope } = client
  const location = publicLocation(options.publicUrl)
  // Qlik's library puts the redirect URI into a query without encoding it, so both must be plain paths.
  const callbackPath = mountPath(ownPath, 'callbackPath')
  const callbackScript = mountPath(scriptPath, 'callbackScript')
  // Qlik's library renews tokens with a client secret only, so a refresh token has no use in a browser.
  if (scopeList(scope).includes('offline_access'))
    throw configurationError('scope must not contain "offline_access": the browser gets this token.')

  const hostConfig = {
    host: tenant,
    authType: 'oauth2',
    clientId,
    redirectUri: location.url(callbackPath),
    scope,
    accessTokenStorage: 'session',
  } as const
  const attributes = Object.entries({
    'data-host': hostConfig.host,
    'data-auth-type': hostConfig.authType,
    'data-client-id': hostConfig.clientId,
    'data-redirect-uri': hostConfig.redirectUri,
    'data-access-token-storage': hostConfig.accessTokenStorage,
  })
    .map(([name, value]) => `${name}="${escapeHtml(value)}"`)
    .join(' ')
  const sources = ["'self'", tenant, ...(new URL(tenant).hostname.endsWith('.qlikcloud.com') ? [cdn] : [])]
  const connections = [...sources, tenant.replace(/^http/, 'ws')]
  const page = callbackPage(location.publicPath(callbackScript), attributes)
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-length': String(Buffer.byteLength(page)),
    'content-security-policy': `default-src 'none'; script-src ${sources.join(' ')}; connect-src ${connections.join(' ')}; base-uri 'none'; frame-ancestors 'none'`,
    'cache-control': 'no-store',
    // The address holds the authorization code.
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  }

  return {
    attributes,
    hostConfig,
    contentSecurityPolicy: {
      scriptSrc: sources,
      connectSrc: connections,
      styleSrc: [...sources, "'unsafe-inline'"],
      fontSrc: [...sources, 'data:'],
      imgSrc: [...sources, 'data:'],
      // Helmet's default would upgrade http://localhost to https, which is not served there.
      upgradeInsecureRequests: location.isHttps ? [] : null,
    },
    callback(request, response) {
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return sendError(
          response,
          httpError('ERR_METHOD_NOT_ALLOWED', 'Only GET is allowed.', { allow: ['GET', 'HEAD'] }),
        )
      }
      response.writeHead(200, headers).end(page)
    },
  }
}

const optionNames: readonly (keyof SinglePageClientOptions)[] = [
  'tenant',
  'clientId',
  'publicUrl',
  'callbackPath',
  'callbackScript',
  'scope',
]

/** Host from which the runtime of a real tenant loads its modules. Not confirmed. */
const cdn = 'https://cdn.qlikcloud.com'

/** The script is in the body because it shows the tenant's error there. */
function callbackPage(script: string, attributes: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Logging in</title></head>
<body>
<noscript>Logging in needs JavaScript.</noscript>
<script src="${escapeHtml(script)}" ${attributes}></script>
</body>
</html>
`
}
