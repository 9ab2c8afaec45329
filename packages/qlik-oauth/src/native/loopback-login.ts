import { randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { unlessAborted } from '../protocol/abort.ts'
import { createAuthorizationRequest, validateAuthorizationResponse } from '../protocol/authorization.ts'
import type { QlikClient } from '../protocol/client.ts'
import { errorCatalogue, QlikOAuthError } from '../protocol/errors.ts'
import { authorizationCodeGrant } from '../protocol/grants.ts'
import { currentUser, type QlikUser } from '../protocol/qlik-user.ts'
import { isLoopback, quoted } from '../protocol/tenant-origin.ts'
import { requireTier } from '../protocol/tier.ts'
import { requestTokens } from '../protocol/token-endpoint.ts'
import type { TokenSet } from '../protocol/token-set.ts'
import { sendLoopbackPage } from './loopback-page.ts'
import { openSystemBrowser } from './system-browser.ts'

export interface LoopbackLoginOptions {
  readonly client: QlikClient
  /** Takes the user to the address. @default the system's browser */
  readonly openBrowser?: (url: string) => void | Promise<void>
  /**
   * The redirect URI registered for the client. Without a port in it, a free one is taken, as RFC 8252 section 7.3 has
   * it; where the tenant insists on the port as registered, name it here. @default 'http://127.0.0.1/callback'
   */
  readonly redirectUri?: string
  readonly prompt?: 'login' | 'consent'
  readonly loginHint?: string
  /** How long the user may take. @default 300000 */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

export interface LoopbackLogin {
  readonly tokens: TokenSet
  readonly user: QlikUser
}

/**
 * Logs a user in from a native application: in the browser, with PKCE, and a redirect to a server that listens on this
 * machine for this one answer. RFC 8252.
 *
 * @throws ERR_LOGIN_DENIED when tenant or user refuse or nobody finishes in time; ERR_CONFIGURATION; the errors of the
 * token endpoint.
 * @example
 * const { tokens, user } = await loopbackLogin({ client: client({ tenant, clientId }) })
 */
export async function loopbackLogin(options: LoopbackLoginOptions): Promise<LoopbackLogin> {
  const {
    client,
    openBrowser = openSystemBrowser,
    redirectUri = 'http://127.0.0.1/callback',
    timeoutMs = 300_000,
  } = options
  requireTier(client, 'tenant', 'log users in')
  const registered = loopbackUri(redirectUri)
  const limit = AbortSignal.timeout(timeoutMs)
  const signal = options.signal === undefined ? limit : AbortSignal.any([limit, options.signal])
  signal.throwIfAborted()

  const server = createServer()
  const own = await listening(server, registered)
  try {
    const state = randomBytes(32).toString('base64url')
    const { prompt, loginHint } = options
    const request = await createAuthorizationRequest(client, {
      redirectUri: own,
      state,
      ...(prompt === undefined ? {} : { prompt }),
      ...(loginHint === undefined ? {} : { loginHint }),
    })
    const answered = answer(server, own, state, async parameters => {
      const code = await validateAuthorizationResponse(client, parameters, state)
      const tokens = await requestTokens(client, authorizationCodeGrant(code, own, request.codeVerifier), { signal })
      return { tokens, user: await currentUser(client, tokens.accessToken, signal) }
    })
    // The answer may come while the browser is still being opened.
    answered.catch(() => {})
    await unlessAborted(Promise.resolve(openBrowser(request.url)), signal)
    return await unlessAborted(answered, signal)
  } catch (error) {
    options.signal?.throwIfAborted()
    if (limit.aborted) throw new QlikOAuthError('ERR_LOGIN_DENIED', `Nobody finished the login within ${timeoutMs} ms`)
    throw error
  } finally {
    server.close()
    server.closeIdleConnections()
    if (signal.aborted) server.closeAllConnections()
  }
}

/** Waits for the one request that carries the state; others are turned away and change nothing. */
function answer<T>(
  server: Server,
  redirectUri: string,
  state: string,
  redeem: (parameters: URLSearchParams) => Promise<T>,
): Promise<T> {
  const { host, pathname } = new URL(redirectUri)
  let used = false

  return new Promise((resolve, reject) => {
    const callback = async (request: IncomingMessage, response: ServerResponse) => {
      const url = URL.canParse(request.url ?? '', redirectUri) ? new URL(request.url ?? '', redirectUri) : undefined
      if (request.method !== 'GET' || request.headers.host !== host || url?.pathname !== pathname) {
        sendLoopbackPage(response, 404, 'Nothing here', 'This address only receives the answer to a login.')
        return
      }
      if (used || !carries(url.searchParams, state)) {
        sendLoopbackPage(
          response,
          400,
          'Not an answer to this login',
          'Return to the application and log in from there.',
        )
        return
      }
      used = true
      try {
        const login = await redeem(url.searchParams)
        sendLoopbackPage(response, 200, 'You are logged in', 'You can close this window and return to the application.')
        resolve(login)
      } catch (error) {
        sendLoopbackPage(
          response,
          400,
          'The login failed',
          `${sentence(error)}. Return to the application and try again.`,
        )
        reject(error)
      }
    }
    server.on('request', (request, response) => void callback(request, response))
  })
}

function carries(parameters: URLSearchParams, state: string): boolean {
  const [received = '', ...more] = parameters.getAll('state')
  return (
    more.length === 0 && received.length === state.length && timingSafeEqual(Buffer.from(received), Buffer.from(state))
  )
}

/** The page is told no more than the kind of failure; the application has the rest. */
function sentence(error: unknown): string {
  return error instanceof QlikOAuthError ? errorCatalogue[error.code].title : 'Something unexpected happened'
}

/** @returns The redirect URI with the port that was taken. */
async function listening(server: Server, registered: URL): Promise<string> {
  // "localhost" may be either address; the browser tries both.
  const address =
    registered.hostname === '[::1]' ? '::1' : registered.hostname === 'localhost' ? '127.0.0.1' : registered.hostname
  server.listen(Number(registered.port || 0), address)
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw new QlikOAuthError('ERR_CONFIGURATION', `Cannot listen for the answer to the login at ${registered.href}`, {
      cause,
    })
  }
  const own = new URL(registered)
  own.port = String((server.address() as AddressInfo).port)
  return own.href
}

function loopbackUri(redirectUri: string): URL {
  const url = URL.canParse(redirectUri) ? new URL(redirectUri) : undefined
  if (url?.protocol === 'http:' && isLoopback(url.hostname) && url.search === '' && url.hash === '') return url
  throw new QlikOAuthError(
    'ERR_CONFIGURATION',
    `redirectUri must be an http address on loopback without a query, such as "http://127.0.0.1/callback", got ${quoted(redirectUri)}.`,
  )
}
