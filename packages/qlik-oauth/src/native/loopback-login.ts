import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { anySignal, unlessAborted } from '../protocol/abort.ts'
import { createAuthorizationRequest, validateAuthorizationResponse } from '../protocol/authorization.ts'
import { checkClient, type QlikClient, requireTier } from '../protocol/client.ts'
import { errorCatalogue } from '../protocol/error-catalogue.ts'
import { QlikOAuthError } from '../protocol/errors.ts'
import { authorizationCodeGrant } from '../protocol/grants.ts'
import {
  configurationError,
  invalidOption,
  nonEmptyString,
  optionalFunction,
  rejectUnknownOptions,
  wholeNumber,
} from '../protocol/option-checks.ts'
import { currentUser, type QlikUser } from '../protocol/qlik-user.ts'
import { isLoopback } from '../protocol/tenant-origin.ts'
import { requestTokens } from '../protocol/token-endpoint.ts'
import type { TokenSet } from '../protocol/token-set.ts'
import { sendLoopbackPage } from './loopback-page.ts'
import { openSystemBrowser } from './system-browser.ts'

export interface LoopbackLoginOptions {
  readonly client: QlikClient
  /** Opens the authorization request in a browser. @default openSystemBrowser */
  readonly openBrowser?: (url: string) => void | Promise<void>
  /**
   * The redirect URI registered for the client. Without a port, a free port is used (RFC 8252, section 7.3); with a
   * port, that port, for a tenant that compares it. @default 'http://127.0.0.1/callback'
   */
  readonly redirectUri?: string
  readonly prompt?: 'login' | 'consent'
  readonly loginHint?: string
  /** Milliseconds for the whole login, the user's part included. @default 300000 */
  readonly timeoutMs?: number
  /** Ends the login. */
  readonly signal?: AbortSignal
}

export interface LoopbackLogin {
  readonly tokens: TokenSet
  readonly user: QlikUser
}

/**
 * Logs a user in from a native application: in the browser, with PKCE, and with a redirect to a server on this machine
 * that accepts one authorization response. RFC 8252.
 *
 * @throws ERR_LOGIN_DENIED when the tenant or the user denies the login, or it is not completed in time;
 * ERR_CONFIGURATION; ERR_TIER for a region's or an organization's client; the errors of `requestTokens` and
 * `currentUser`; the reason of the signal.
 * @example
 * const { tokens, user } = await loopbackLogin({ client: qlikClient({ tenant, clientId }) })
 */
export async function loopbackLogin(options: LoopbackLoginOptions): Promise<LoopbackLogin> {
  rejectUnknownOptions('loopbackLogin', options, optionNames)
  checkClient(options.client)
  const { client, openBrowser = openSystemBrowser, prompt, loginHint } = options
  requireTier(client, 'tenant', 'log users in')
  optionalFunction('openBrowser', openBrowser, 'that opens a URL')
  if (prompt !== undefined && prompt !== 'login' && prompt !== 'consent')
    throw invalidOption('prompt', '"login" or "consent"', prompt)
  if (loginHint !== undefined) nonEmptyString('loginHint', loginHint)
  if (options.signal !== undefined && !(options.signal instanceof AbortSignal))
    throw invalidOption('signal', 'an AbortSignal', options.signal)
  const registeredUri = loopbackUri(options.redirectUri)
  const timeoutMs = wholeNumber('timeoutMs', options.timeoutMs, 300_000)
  const limit = AbortSignal.timeout(timeoutMs)
  const signal = anySignal(limit, options.signal)
  signal.throwIfAborted()

  const server = createServer()
  const redirectUri = await listen(server, registeredUri)
  try {
    const state = randomBytes(32).toString('base64url')
    const request = await unlessAborted(
      createAuthorizationRequest(client, {
        redirectUri,
        state,
        ...(prompt === undefined ? {} : { prompt }),
        ...(loginHint === undefined ? {} : { loginHint }),
      }),
      signal,
    )
    const login = receiveResponse(server, redirectUri, state, async parameters => {
      const code = await validateAuthorizationResponse(client, parameters, state)
      const grant = authorizationCodeGrant(code, redirectUri, request.codeVerifier)
      const tokens = await requestTokens(client, grant, { signal })
      return { tokens, user: await currentUser(client, tokens.accessToken, signal) }
    })
    // The response may arrive while the browser is still being opened.
    login.catch(() => {})
    await unlessAborted(Promise.resolve(openBrowser(request.url)), signal)
    return await unlessAborted(login, signal)
  } catch (error) {
    options.signal?.throwIfAborted()
    if (limit.aborted)
      throw new QlikOAuthError('ERR_LOGIN_DENIED', `The login was not completed within ${timeoutMs} ms`)
    throw error
  } finally {
    stop(server, signal.aborted)
  }
}

const optionNames: readonly (keyof LoopbackLoginOptions)[] = [
  'client',
  'openBrowser',
  'redirectUri',
  'prompt',
  'loginHint',
  'timeoutMs',
  'signal',
]

/** Waits for the one request that carries the state. Other requests are refused and have no effect. */
function receiveResponse<T>(
  server: Server,
  redirectUri: string,
  state: string,
  redeem: (parameters: URLSearchParams) => Promise<T>,
): Promise<T> {
  const { host, pathname } = new URL(redirectUri)
  let received = false

  return new Promise((resolve, reject) => {
    const handle = async (request: IncomingMessage, response: ServerResponse) => {
      const { method, url = '', headers } = request
      const target = URL.canParse(url, redirectUri) ? new URL(url, redirectUri) : undefined
      if (method !== 'GET' || headers.host !== host || target?.pathname !== pathname) {
        sendLoopbackPage(response, 404, 'Not found', 'This address only receives the response to a login.')
        return
      }
      if (received || !hasState(target.searchParams, state)) {
        sendLoopbackPage(response, 400, 'Not a response to this login', 'Log in again from the application.')
        return
      }
      received = true
      try {
        const login = await redeem(target.searchParams)
        sendLoopbackPage(response, 200, 'You are logged in', 'You can close this window and return to the application.')
        resolve(login)
      } catch (error) {
        sendLoopbackPage(response, 400, 'The login failed', `${reason(error)}. Try again from the application.`)
        reject(error)
      }
    }
    server.on('request', (request, response) => void handle(request, response).catch(() => response.destroy()))
  })
}

function hasState(parameters: URLSearchParams, state: string): boolean {
  const states = parameters.getAll('state')
  // Hashed, because timingSafeEqual takes values of equal length only.
  const [expected, actual] = [state, states[0] ?? ''].map(value => createHash('sha256').update(value).digest())
  return states.length === 1 && expected !== undefined && actual !== undefined && timingSafeEqual(expected, actual)
}

/** The page says what kind of failure it is; the application has the error. */
function reason(error: unknown): string {
  return error instanceof QlikOAuthError ? errorCatalogue[error.code].title : 'An unexpected error occurred'
}

/** @returns The redirect URI with the port that the server listens on. */
async function listen(server: Server, registered: URL): Promise<string> {
  // "localhost" may resolve to IPv4 or IPv6; browsers try both.
  const { hostname } = registered
  const address = hostname === '[::1]' ? '::1' : hostname === 'localhost' ? '127.0.0.1' : hostname
  server.listen(Number(registered.port || 0), address)
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw configurationError(`Cannot listen for the authorization response at ${registered.href}.`, cause)
  }
  // A connection that cannot be accepted does not end the login.
  server.on('error', () => {})
  const redirectUri = new URL(registered)
  redirectUri.port = String((server.address() as AddressInfo).port)
  return redirectUri.href
}

/** Stops listening; the last page gets a second to reach the browser. */
function stop(server: Server, atOnce: boolean): void {
  server.close()
  server.closeIdleConnections()
  if (atOnce) server.closeAllConnections()
  else setTimeout(() => server.closeAllConnections(), 1000).unref()
}

function loopbackUri(redirectUri: unknown = 'http://127.0.0.1/callback'): URL {
  const url = typeof redirectUri === 'string' && URL.canParse(redirectUri) ? new URL(redirectUri) : undefined
  if (url?.protocol === 'http:' && isLoopback(url.hostname) && url.search === '' && url.hash === '') return url
  const expected = 'an http URL on loopback without a query, such as "http://127.0.0.1/callback"'
  throw invalidOption('redirectUri', expected, redirectUri)
}
