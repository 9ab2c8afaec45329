import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { QlikOAuthError } from 'qlik-oauth'
import { type Login, missingScopes, scopeList } from 'qlik-oauth/internal'
import { sendError } from '../http/error-response.ts'
import { httpError } from '../http/http-error.ts'
import { isNavigation } from '../http/navigation.ts'
import type { AuthContext } from './auth-context.ts'
import { requestLogin } from './request-login.ts'
import { returnPath } from './return-path.ts'
import { loginPath } from './tenant-registry.ts'

export interface Guards {
  /**
   * Lets through who is logged in, and sets `req.qlik`. Navigations of others go to the login and come back; everything
   * else gets 401.
   */
  requireLogin(): RequestHandler
  /** Lets through logins that were granted all these scopes; answers 403 and names the missing ones. */
  requireScope(...scopes: string[]): RequestHandler
  /** Sets `req.qlik` for who is logged in and lets everybody through, also while the store is away. */
  optionalLogin(): RequestHandler
}

export function guards(context: AuthContext): Guards {
  return {
    requireLogin: () =>
      async function requireLogin(request, response, next) {
        const login = await guarded(context, request, response, next)
        if (login !== undefined) next()
      },

    requireScope(...scopes) {
      const wanted = scopeList(scopes.join(' '))
      return async function requireScope(request, response, next) {
        const login = await guarded(context, request, response, next)
        if (login === undefined) return
        const missing = missingScopes(login.record.tokens.scope, wanted)
        if (missing.length === 0) return next()
        const error = httpError('ERR_INSUFFICIENT_SCOPE', `The login was not granted the scope ${missing.join(' ')}.`)
        if (isNavigation(request)) next(error)
        else sendError(response, error)
      }
    },

    optionalLogin: () =>
      async function optionalLogin(request, response, next) {
        try {
          const login = await context.findLogin(request)
          if (login !== undefined) attach(request, response, login)
        } catch (error) {
          if (!(error instanceof QlikOAuthError)) return next(error)
          context.emit('denied', { code: error.code, message: error.message })
        }
        next()
      },
  }
}

/** Answers whoever is not logged in. */
async function guarded(
  context: AuthContext,
  request: Request,
  response: Response,
  next: NextFunction,
): Promise<Login | undefined> {
  try {
    const login = await context.findLogin(request)
    if (login !== undefined) {
      attach(request, response, login)
      return login
    }
  } catch (error) {
    if (isNavigation(request)) next(error)
    else sendError(response, error)
    return undefined
  }
  response.set('cache-control', 'no-store')
  if (isNavigation(request))
    response.redirect(302, `${loginPath}?returnTo=${encodeURIComponent(returnPath(request.originalUrl, context.home))}`)
  else sendError(response, new QlikOAuthError('ERR_LOGIN_REQUIRED', 'Not logged in'))
  return undefined
}

function attach(request: Request, response: Response, login: Login): void {
  request.qlik = requestLogin(login)
  // What a page shows of its user is for nobody else.
  if (!response.hasHeader('cache-control')) response.set('cache-control', 'private, no-cache')
  response.vary('cookie')
}
