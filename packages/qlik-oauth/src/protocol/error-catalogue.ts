/**
 * Every error code of qlik-oauth and express-qlik-oauth: the HTTP status it becomes, a title that may be shown to the
 * client, and what an operator or developer can do. The error tables of the READMEs are checked against it.
 */
export const errorCatalogue = {
  ERR_CONFIGURATION: {
    status: 500,
    title: 'Invalid configuration',
    advice: 'Correct the option that the message names.',
  },
  ERR_TIER: {
    status: 500,
    title: 'The client cannot be used at this tier',
    advice: 'Use a client registered at the tier (tenant, region, organization) that the message names.',
  },

  ERR_LOGIN_REQUIRED: {
    status: 401,
    title: 'Not authenticated',
    advice: 'Send the user to the login route.',
  },
  ERR_SESSION_EXPIRED: {
    status: 401,
    title: 'The login has ended',
    advice: 'Log in again. The login expired, was ended, or the tenant refused its refresh token.',
  },
  ERR_CALLBACK_INVALID: {
    status: 400,
    title: 'Invalid authorization response',
    advice:
      'Start the login again. Usually an old tab or a bookmarked callback; frequent errors point to forged callbacks or a wrong `issuer`.',
  },
  ERR_LOGIN_DENIED: {
    status: 403,
    title: 'Login denied',
    advice:
      "The user or the tenant refused. Check consent, the client's scopes and redirect URIs, and whether the user is enabled.",
  },
  ERR_USER_REFUSED: {
    status: 403,
    title: 'User refused by the tenant',
    advice: 'The user is disabled or has too many tokens: enable the user, or revoke unused tokens. A login is kept.',
  },
  ERR_LOGIN_REFUSED: {
    status: 403,
    title: 'Login refused by the application',
    advice: '`onLogin` of the application refused the user, for the reason in the message.',
  },
  ERR_HOOK_TIMEOUT: {
    status: 503,
    title: 'A hook of the application timed out',
    advice: 'Make `onLogin` or `authorizationParams` faster, or raise `hookTimeoutMs`.',
  },
  ERR_LOGIN_LOOP: {
    status: 508,
    title: 'Login loop detected',
    advice: 'The session cookie does not come back: check `publicUrl`, https, and "trust proxy".',
  },
  ERR_RATE_LIMIT: {
    status: 429,
    title: 'Too many login attempts',
    advice: 'Retry later. If all users share one address, set "trust proxy" or raise `loginRateLimit`.',
  },
  ERR_INSUFFICIENT_SCOPE: {
    status: 403,
    title: 'Insufficient scope',
    advice: 'Request the scope that the error names, allow it for the client, and log in again.',
  },

  ERR_ISSUER: {
    status: 502,
    title: 'Unexpected issuer',
    advice:
      "The tenant's metadata names another host. If that is another name of the same tenant, list it in `aliases`, or set `issuer`.",
  },
  ERR_TOKEN_REFUSED: {
    status: 502,
    title: 'Token request refused',
    advice:
      '`invalid_client`: correct the id, secret or key. `access_denied`: the user is disabled or has too many tokens. `invalid_scope`: allow the scope for the client.',
  },
  ERR_TOKEN_RESPONSE: {
    status: 502,
    title: 'Invalid token response',
    advice: 'Check that `tenant` is a Qlik Cloud tenant and that no proxy responds in its place.',
  },
  ERR_TOKEN_UNAVAILABLE: {
    status: 503,
    title: 'No access token available',
    advice: 'Retry after `Retry-After`; the login is kept. `cause` holds the failure of the token request.',
  },

  ERR_TENANT_UNREACHABLE: {
    status: 502,
    title: 'Tenant unreachable',
    advice:
      'Check host name, network, firewall and certificate; `outbound.ca` or `NODE_EXTRA_CA_CERTS` adds a certificate authority.',
  },
  ERR_TENANT_CONNECT_TIMEOUT: {
    status: 504,
    title: 'Connection to the tenant timed out',
    advice: 'Check the network to the tenant.',
  },
  ERR_TENANT_TIMEOUT: {
    status: 504,
    title: 'Tenant response timed out',
    advice: 'Retry; raise `timeoutMs` or `timeouts.headersMs` for slow calls.',
  },
  ERR_TENANT_BODY_TIMEOUT: {
    status: 504,
    title: 'Tenant response stalled',
    advice: 'Retry; raise `timeouts.bodyMs` if the tenant pauses that long.',
  },
  ERR_TENANT_RESET: {
    status: 502,
    title: 'Tenant connection lost',
    advice: 'Retry.',
  },
  ERR_TENANT_RESPONSE: {
    status: 502,
    title: 'Invalid response from the tenant',
    advice: 'Check that `tenant` is a Qlik Cloud tenant and that no proxy responds in its place.',
  },
  ERR_TENANT_REFUSED: {
    status: 502,
    title: 'Request refused by the tenant',
    advice:
      'Read `errors` and `responseStatus`: a missing role or scope (403), an unknown id (404), a limit (409, 429).',
  },
  ERR_TENANT_BUSY: {
    status: 503,
    title: 'Too many requests in progress',
    advice: 'Retry; raise `connections` or `limits.waiting` if it persists.',
  },
  ERR_TOO_MANY_LOGIN_REQUESTS: {
    status: 429,
    title: 'Too many requests of this login in progress',
    advice:
      'Retry when earlier requests have ended; raise `limits.requestsPerLogin` or `limits.eventStreamsPerLogin` if one user needs more. If all users share one address, set `trustProxy`.',
  },
  ERR_OUTBOUND_PROXY_UNREACHABLE: {
    status: 502,
    title: 'Outbound proxy unreachable',
    advice: 'Check `HTTPS_PROXY` or `outbound.proxy`, and the network to that proxy.',
  },
  ERR_OUTBOUND_PROXY_REFUSED: {
    status: 502,
    title: 'Refused by the outbound proxy',
    advice: 'Correct user name and password in the URL of the proxy (407), or allow the tenant there (403).',
  },
  ERR_OUTBOUND_PROXY_RESPONSE: {
    status: 502,
    title: 'Invalid response from the outbound proxy',
    advice: 'Check that an HTTP proxy listens at `HTTPS_PROXY` or `outbound.proxy`.',
  },
  ERR_OUTBOUND_PROXY_TIMEOUT: {
    status: 504,
    title: 'Outbound proxy timed out',
    advice: 'Check the proxy, and that it reaches the tenant; raise `timeouts.connectMs` or `timeoutMs` for slow ones.',
  },

  ERR_AUTHENTICATION_UNAVAILABLE: {
    status: 503,
    title: 'Authentication unavailable',
    advice: 'A middleware of `fromMiddleware` failed or took too long; `cause` holds its error.',
  },
  ERR_STORE_UNAVAILABLE: {
    status: 503,
    title: 'Login store unavailable',
    advice: 'Check Redis. Cookies and logins are kept.',
  },

  ERR_PATH_REFUSED: {
    status: 400,
    title: 'Invalid path',
    advice: 'Send a plain path: no `.`, `..`, `//`, backslash or control character, encoded or not.',
  },
  ERR_PATH_NOT_ALLOWED: {
    status: 403,
    title: 'Path not allowed',
    advice: 'Add the path to `allow` if browsers may use it.',
  },
  ERR_NOT_FOUND: {
    status: 404,
    title: 'Not found',
    advice: 'Nothing is served at this path.',
  },
  ERR_METHOD_NOT_ALLOWED: {
    status: 405,
    title: 'Method not allowed',
    advice: 'Use a method listed in `Allow`.',
  },
  ERR_CROSS_SITE: {
    status: 403,
    title: 'Cross-site request refused',
    advice:
      'Send the request from a page of `publicUrl`. The referrer policy `no-referrer` removes `Origin` from forms.',
  },
  ERR_SERVICE_WORKER: {
    status: 403,
    title: 'Service worker refused',
    advice: "Serve service workers from the application's own paths.",
  },
  ERR_REQUEST_INVALID: {
    status: 400,
    title: 'Invalid request',
    advice: 'Correct the request as the message says.',
  },
  ERR_URL_TOO_LONG: {
    status: 414,
    title: 'URL too long',
    advice: 'Shorten the query, or raise `limits.urlBytes`.',
  },
  ERR_BODY_TOO_LARGE: {
    status: 413,
    title: 'Request body too large',
    advice: 'Raise `limits.bodyBytes` to allow larger uploads.',
  },
  ERR_BODY_TIMEOUT: {
    status: 408,
    title: 'Request body timed out',
    advice: 'The upload stalled; send it again.',
  },
  ERR_BODY_CONSUMED: {
    status: 500,
    title: 'Request body already read',
    advice: 'Mount the proxy before body parsers.',
  },
  ERR_CLIENT_TIMEOUT: {
    status: 408,
    title: 'Client stopped reading',
    advice: 'The client stopped reading the response; raise `timeouts.clientMs` for very slow clients.',
  },

  ERR_SOCKET_NOT_FOUND: {
    status: 404,
    title: 'No WebSocket at this path',
    advice: 'Open `{mount}/app/{id}`.',
  },
  ERR_SOCKET_VERSION: {
    status: 426,
    title: 'Unsupported WebSocket version',
    advice: 'Use a client that speaks WebSocket version 13.',
  },
  ERR_UPGRADE_REQUIRED: {
    status: 426,
    title: 'WebSocket upgrade required',
    advice:
      'The balancer removed `Upgrade`. For nginx: `proxy_http_version 1.1`, and `proxy_set_header` for `Upgrade` and `Connection`.',
  },
  ERR_TOO_MANY_SOCKETS: {
    status: 503,
    title: 'Too many open sockets',
    advice: 'Add processes, or raise `maxSockets`.',
  },
  ERR_TOO_MANY_LOGIN_SOCKETS: {
    status: 429,
    title: 'Too many open sockets for this login',
    advice:
      'Close sockets of removed charts; raise `maxSocketsPerLogin` if one user needs more. If all users share one address, set `trustProxy`.',
  },
  ERR_TOO_MANY_LOGIN_UPGRADES: {
    status: 429,
    title: 'Too many WebSocket upgrades of this login',
    advice:
      'Retry after `Retry-After`: a page reconnects in a loop. Raise `maxUpgradesPerMinute` if one user needs more; if all users share one address, set `trustProxy`.',
  },
  ERR_CLOSING: {
    status: 503,
    title: 'Server shutting down',
    advice: 'Retry; another process responds.',
  },
  ERR_INTERNAL: {
    status: 500,
    title: 'Internal error',
    advice: 'Read the log under the trace id.',
  },
} as const satisfies Record<string, { status: number; title: string; advice: string }>

/** The code of a QlikOAuthError. */
export type ErrorCode = keyof typeof errorCatalogue
