import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { QlikOAuthError } from 'qlik-oauth'
import { type Login, missingScopes, scopeList } from 'qlik-oauth/internal'
import { isNavigation } from '../http/navigation.ts'
import { httpError, sendError } from '../http/response/error-response.ts'
import type { AuthContext } from './context/auth-context.ts'
import { loginAddress } from './context/login-address.ts'
import { requestLogin } from './context/request-login.ts'
import { frameAncestors } from './frames/frame-options.ts'
import { returnPath } from './options/return-path.ts'

export interface LoginGuards {
  /**
   * Requires a login and sets `req.qlik`. Navigations without one are redirected to the login at `publicUrl` and come
   * back; all other requests get 401.
   *
   * A navigation is a `GET` with `Sec-Fetch-Mode: navigate`; of clients that send no `Sec-Fetch-*` headers, a `GET` that
   * accepts `text/html` and has no `X-Requested-With`.
   */
  requireLogin(): RequestHandler
  /** Requires a login that was granted all these scopes. 403 names the missing ones. */
  requireScope(...scopes: string[]): RequestHandler
  /** Sets `req.qlik` for a logged-in user and lets every request through, even while the store is unavailable. */
  optionalLogin(): RequestHandler
}

export function guards(context: AuthContext): LoginGuards {
  return {
    requireLogin: () =>
      function requireLogin(request, response, next) {
        return requiredLogin(context, request, response)
          .then(login => login && next())
          .catch(fail(request, response, next))
      },

    requireScope(...scopes) {
      const required = scopeList(scopes.join(' '))
      return function requireScope(request, response, next) {
        return requiredLogin(context, request, response)
          .then(login => {
            if (login === undefined) return
            const missing = missingScopes(login.record.tokens.scope, required)
            if (missing.length === 0) return next()
            throw httpError('ERR_INSUFFICIENT_SCOPE', `The login was not granted the scope ${missing.join(' ')}.`)
          })
          .catch(fail(request, response, next))
      }
    },

    optionalLogin: () =>
      function optionalLogin(request, response, next) {
        return context
          .findLogin(request)
          .then(login => login && setLogin(request, response, login))
          .catch((error: unknown) => {
            if (!(error instanceof QlikOAuthError)) throw error
            context.emit('denied', { code: error.code, message: error.message }, request)
          })
          .then(() => next(), next)
      },
  }
}

/** Finds the login of a request, or sends the response for a request without one. */
async function requiredLogin(context: AuthContext, request: Request, response: Response): Promise<Login | undefined> {
  const login = await context.findLogin(request)
  if (login !== undefined) {
    setLogin(request, response, login)
    allowFrames(context, response)
    return login
  }
  response.set('cache-control', 'no-store')
  if (isNavigation(request)) {
    const { home, routes, mount } = context.settings
    const location = context.tenants.locationOf(request)
    const returnTo = returnPath(location.pathOf(request), { location, routes, mount }) ?? location.publicPath(home)
    response.redirect(302, loginAddress(context, request, returnTo))
  } else {
    sendError(response, new QlikOAuthError('ERR_LOGIN_REQUIRED', 'Not authenticated'))
  }
  return undefined
}

/** Express 4 ignores the promise of a middleware: an error that is not caught would end the process. */
function fail(request: Request, response: Response, next: NextFunction): (error: unknown) => void {
  return error => {
    if (isNavigation(request)) next(error)
    else sendError(response, error)
  }
}

function setLogin(request: Request, response: Response, login: Login): void {
  request.qlik = requestLogin(login, request)
  // The page may show data of its user, so no shared cache may store it.
  if (!response.hasHeader('cache-control')) response.set('cache-control', 'private, no-cache')
  response.vary('cookie')
}

/** The application's own policy, such as helmet's, has precedence. */
function allowFrames({ settings: { frames } }: AuthContext, response: Response): void {
  if (frames !== undefined && !response.hasHeader('content-security-policy'))
    response.set('content-security-policy', `frame-ancestors ${frameAncestors(frames).join(' ')}`)
}
