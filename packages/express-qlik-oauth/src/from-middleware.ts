import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Request, RequestHandler, Response } from 'express'
import { QlikOAuthError, type TokenSource } from 'qlik-oauth'
import type { Authenticate } from './http/clients/principal.ts'
import { WatchedPrincipals } from './http/clients/watched-principals.ts'
import { invalidOption, rejectUnknownOptions, wholeNumber } from './http/options/option-checks.ts'
import { httpError } from './http/response/error-response.ts'

/** Who a request of the application belongs to. */
export interface MiddlewarePrincipal {
  /** The user of the application. When it changes, sockets and requests in progress of the session end. */
  readonly user: string
  /** Identifies the session, such as `request.sessionID`. @default `user` */
  readonly id?: string
  readonly tokens: TokenSource
}

export interface FromMiddlewareOptions {
  /** Time for all middleware together. @default 5000 */
  readonly timeoutMs?: number
  /** Seconds after which the user of open sockets and running requests is looked up again. @default 30 */
  readonly recheckSeconds?: number
}

export interface MiddlewareAuthenticate extends Authenticate {
  /**
   * Ends the sockets and running requests of a session or of all sessions of a user in this process, at once. Call it
   * at logout; other processes notice within `recheckSeconds`.
   */
  end(ended: { readonly id: string } | { readonly user: string }): void
}

/**
 * Makes the `authenticate` function of `qlikProxy` from the middleware of an application that has a login of its own.
 *
 * The middleware runs for requests and upgrades alike, with a response that is never sent: it sets no cookie. Middleware
 * that responds by itself refuses the request, with its status from 400 on, or else with 401.
 *
 * @param middleware Such as `[session(...), passport.session()]`; errors become 503, those with a status below 500 keep
 * it.
 * @param principalOf Reads the user from the request; `undefined` becomes 401.
 * @example
 * const authenticate = fromMiddleware([session(sessions), passport.session()], request =>
 *   request.user && { user: request.user.id, id: request.sessionID, tokens: tokensOf({ subject: request.user.subject }) })
 * @throws ERR_CONFIGURATION
 */
export function fromMiddleware(
  middleware: readonly RequestHandler[],
  principalOf: (
    request: Request,
    response: Response,
  ) => MiddlewarePrincipal | undefined | Promise<MiddlewarePrincipal | undefined>,
  options: FromMiddlewareOptions = {},
): MiddlewareAuthenticate {
  if (!Array.isArray(middleware) || middleware.some(one => typeof one !== 'function'))
    throw invalidOption('middleware', 'a list of middleware functions', middleware)
  if (typeof principalOf !== 'function')
    throw invalidOption('principalOf', 'a function that reads the user from a request', principalOf)
  rejectUnknownOptions('fromMiddleware', options, ['timeoutMs', 'recheckSeconds'])
  const timeoutMs = wholeNumber('timeoutMs', options.timeoutMs, 5000)
  const recheckMs = wholeNumber('recheckSeconds', options.recheckSeconds, 30) * 1000

  const lookUp = async (request: IncomingMessage): Promise<MiddlewarePrincipal | undefined> => {
    const run = new MiddlewareRun(request, timeoutMs)
    try {
      for (const one of middleware) await run.through(one)
      return await run.within(Promise.resolve(Reflect.apply(principalOf, undefined, [request, run.response])))
    } catch (error) {
      throw authenticationError(error)
    } finally {
      run.end()
    }
  }
  const watched = new WatchedPrincipals(lookUp, recheckMs)

  const authenticate = async (request: IncomingMessage) => {
    const since = watched.now
    const found = await lookUp(request)
    if (found === undefined) return undefined
    const { user, id = user, tokens } = found
    return { id, user, tokens, onEnd: watched.watch(request, { user, id }, since) }
  }
  return Object.assign(authenticate, {
    end: (ended: { readonly id: string } | { readonly user: string }) => watched.end(ended),
  })
}

/** Runs middleware for one request. */
class MiddlewareRun {
  readonly response: ServerResponse
  readonly #request: IncomingMessage
  readonly #failed: Promise<never>
  #fail: (error: unknown) => void = () => {}
  readonly #timer: NodeJS.Timeout

  constructor(request: IncomingMessage, timeoutMs: number) {
    this.#request = request
    this.#failed = new Promise((_resolve, reject) => {
      this.#fail = reject
    })
    this.#failed.catch(() => {})
    this.#timer = setTimeout(
      () => this.#fail(unavailable(`The middleware took longer than ${timeoutMs} ms`)),
      timeoutMs,
    )
    this.response = unsentResponse(request, status => this.#fail(refusedBy(status)))
  }

  /** Resolves when the middleware calls `next`. */
  through(middleware: RequestHandler): Promise<void> {
    return this.within(
      new Promise((resolve, reject) => {
        const next = (error?: unknown): void => {
          if (error === undefined || error === null || error === 'route' || error === 'router') resolve()
          else reject(error)
        }
        Promise.resolve(Reflect.apply(middleware, undefined, [this.#request, this.response, next])).catch(reject)
      }),
    )
  }

  within<Value>(result: Promise<Value>): Promise<Value> {
    return Promise.race([result, this.#failed])
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}

/** A response whose methods send nothing. Own properties, because Express replaces the prototype. */
function unsentResponse(request: IncomingMessage, onResponse: (status: number) => void): ServerResponse {
  const response = new ServerResponse(request)
  const responded = (status = response.statusCode): void => onResponse(status)
  return Object.assign(response, {
    writeHead(status: number) {
      responded(status)
      return response
    },
    flushHeaders: () => responded(),
    write() {
      responded()
      return true
    },
    end() {
      responded()
      return response
    },
  })
}

function refusedBy(status: number): QlikOAuthError {
  const message = 'The login of the application refused the request.'
  if (status >= 500) return unavailable(`A middleware responded ${status}`)
  return httpError('ERR_LOGIN_REQUIRED', message, { status: status >= 400 ? status : 401 })
}

function authenticationError(error: unknown): QlikOAuthError {
  if (error instanceof QlikOAuthError) return error
  const status = typeof error === 'object' && error !== null ? Number(Reflect.get(error, 'status')) : Number.NaN
  if (status >= 400 && status < 500) return refusedBy(status)
  return unavailable('A middleware failed', error)
}

function unavailable(message: string, cause?: unknown): QlikOAuthError {
  return new QlikOAuthError('ERR_AUTHENTICATION_UNAVAILABLE', message, cause === undefined ? {} : { cause })
}
