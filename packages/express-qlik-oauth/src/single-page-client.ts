import type { IncomingMessage, ServerResponse } from 'node:http'
import { qlikClient } from 'qlik-oauth'
import { scopeList } from 'qlik-oauth/internal'
import { sendError } from './http/error-response.ts'
import { httpError } from './http/http-error.ts'
import { configuration, publicOrigin } from './login/tenant-registry.ts'

export interface SinglePageClientOptions {
  /** Origin of the tenant, such as `https://acme.eu.qlikcloud.com`. */
  readonly tenant: string
  /** A client of the type `spa`, with `publicUrl` among its allowed origins. */
  readonly clientId: string
  readonly publicUrl: string
  /**
   * Path of the callback page; with `publicUrl` before it, the redirect URI that the client is registered with.
   *
   * @default '/spa/callback'
   */
  readonly callbackPath?: string
  /**
   * Path at which the application serves `oauth-callback.js` of `@qlik/embed-web-components`.
   *
   * @default '/qlik-embed/oauth-callback.js'
   */
  readonly callbackScript?: string
  /**
   * Scopes for @qlik/api, separated by spaces; qlik-embed has no attribute for them and asks for `user_default`.
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
  /** Directives in helmet's form for the pages that use this client. Other pages need none of it. */
  readonly contentSecurityPolicy: Readonly<Record<string, string[] | null>>
  /** The page at the redirect URI: Qlik's own script checks the answer and goes back to the page that asked. */
  callback(request: IncomingMessage, response: ServerResponse): void
}

/**
 * Everything an Express application gives to a page that is an OAuth client itself (public client, PKCE): the browser
 * logs in and holds the token, and talks to the tenant directly.
 *
 * The price: a script that gets into the page gets the token. Choose it where the browser must reach the tenant without
 * this server; otherwise `qlikAuth` keeps the token on the server.
 *
 * @throws ERR_CONFIGURATION
 * @example
 * const page = singlePageClient({ tenant, clientId, publicUrl })
 * app.use('/spa', helmet({ contentSecurityPolicy: { directives: page.contentSecurityPolicy } }))
 * app.get('/spa/callback', page.callback)
 */
export function singlePageClient(options: SinglePageClientOptions): SinglePageClient {
  const { tenant, clientId, scope } = qlikClient({ ...options, scope: options.scope ?? 'user_default' })
  const own = publicOrigin(options.publicUrl)
  const callbackPath = plainPath('callbackPath', options.callbackPath ?? '/spa/callback')
  const callbackScript = plainPath('callbackScript', options.callbackScript ?? '/qlik-embed/oauth-callback.js')
  // Qlik's library renews tokens with a client secret only: in a browser a refresh token is a risk without a use.
  if (scopeList(scope).includes('offline_access'))
    throw configuration('scope must not hold "offline_access": this token goes to the browser.')

  const hostConfig = {
    host: tenant,
    authType: 'oauth2',
    clientId,
    redirectUri: own + callbackPath,
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
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(' ')
  const sources = ["'self'", tenant, ...(new URL(tenant).hostname.endsWith('.qlikcloud.com') ? [cdn] : [])]
  const connections = [...sources, tenant.replace(/^http/, 'ws')]
  const page = callbackPage(callbackScript, attributes)
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-length': String(Buffer.byteLength(page)),
    'content-security-policy': `default-src 'none'; script-src ${sources.join(' ')}; connect-src ${connections.join(' ')}; base-uri 'none'; frame-ancestors 'none'`,
    'cache-control': 'no-store',
    // The address holds the code.
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
      // Helmet's default would turn http://localhost into an https address where nobody listens.
      upgradeInsecureRequests: own.startsWith('https:') ? [] : null,
    },
    callback(request, response) {
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return sendError(
          response,
          httpError('ERR_METHOD_NOT_ALLOWED', 'This address takes GET only.', { allow: ['GET', 'HEAD'] }),
        )
      }
      response.writeHead(200, headers).end(page)
    },
  }
}

/** Where the runtime of a real tenant is said to load its modules from. Not confirmed. */
const cdn = 'https://cdn.qlikcloud.com'

/** The script stands in the body, because it writes the tenant's error there. */
function callbackPage(script: string, attributes: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Logging in</title></head>
<body>
<noscript>Logging in needs JavaScript.</noscript>
<script src="${escaped(script)}" ${attributes}></script>
</body>
</html>
`
}

/** Qlik's library puts the redirect URI into a query without encoding it. */
function plainPath(name: string, value: unknown): string {
  if (typeof value === 'string' && /^(?:\/[\w\-.~]+)+$/.test(value) && URL.canParse(value, 'http://app.invalid')) {
    if (new URL(value, 'http://app.invalid').pathname === value) return value
  }
  throw configuration(
    `${name} must be a plain path on this application such as "/spa/callback", got ${JSON.stringify(value)}.`,
  )
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
