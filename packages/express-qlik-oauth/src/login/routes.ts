import type { Request, RequestHandler, Response } from 'express'
import { QlikOAuthError } from 'qlik-oauth'
import { quoted } from 'qlik-oauth/internal'
import { isNavigation } from '../http/navigation.ts'
import { configurationError } from '../http/options/option-checks.ts'
import { httpError, sendError } from '../http/response/error-response.ts'
import { callbackRoute } from './callback-route.ts'
import type { AuthContext } from './context/auth-context.ts'
import { framedLogin, isFramedLogin } from './frame-login.ts'
import { loginRoute } from './login-route.ts'
import { logoutRoute } from './logout-route.ts'
import { clearInvalidCookie, recoverSession } from './session-recovery.ts'

/**
 * The routes of the login. For every other request it keeps the session in step with the login.
 *
 * Errors of navigations go to Express's error handler; other clients get JSON.
 */
export function loginRoutes(context: AuthContext): RequestHandler {
  return function qlikRoutes(request, response, next) {
    const entry = entryOf(context, request)
    const misplaced = entry === undefined ? misplacedRoutes(context, request) : undefined
    if (misplaced !== undefined) {
      context.emit('warning', { code: misplaced.code, message: misplaced.message }, request)
      return next(misplaced)
    }
    if (entry === undefined) return recoverSession(context, request, response).then(() => next(), next)
    const { methods, route } = entry
    if (!methods.includes(request.method)) {
      const message = `Only ${methods.join(' and ')} ${methods.length > 1 ? 'are' : 'is'} allowed.`
      return sendError(response, httpError('ERR_METHOD_NOT_ALLOWED', message, { allow: methods }))
    }
    return route(context, request, response).catch((error: unknown) => {
      if (!(error instanceof QlikOAuthError)) next(asError(error))
      // A hook of the application has responded, such as by a redirect.
      else if (response.headersSent) context.emit('warning', { code: error.code, message: error.message }, request)
      else if (isNavigation(request)) next(error)
      else sendError(response, error)
    })
  }
}

/** `next` would take `null` for success, and the text 'route' for an instruction. */
function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('The application threw a value that is no error', { cause: error })
}

interface Entry {
  readonly methods: readonly string[]
  route(context: AuthContext, request: Request, response: Response): Promise<void>
}

function entryOf({ settings, tenants }: AuthContext, request: Request): Entry | undefined {
  const [path = ''] = tenants.locationOf(request).pathOf(request).split('?', 1)
  return entryAt(path, settings)
}

/** Explains a request for a route in a router whose path `publicUrl` lacks: the tenant would lead back elsewhere. */
function misplacedRoutes({ settings, tenants }: AuthContext, request: Request): QlikOAuthError | undefined {
  const { baseUrl } = request
  if (baseUrl === '' || entryAt(request.path, settings) === undefined) return undefined
  return configurationError(
    `qlik.routes() is mounted below ${quoted(baseUrl)}, a path that publicUrl (${tenants.locationOf(request).href}) lacks: mount it at the root, or add the path to publicUrl.`,
  )
}

function entryAt(path: string, { routes }: AuthContext['settings']): Entry | undefined {
  if (path === routes.login) return loginEntry
  if (path === routes.callback || path.startsWith(`${routes.callback}/`)) return callbackEntry
  if (path === routes.logout) return logoutEntry
  return path === routes.session ? sessionEntry : undefined
}

/** Link checkers send HEAD. It must not start a login; 405 would make many of them try GET. */
async function loginOrHead(context: AuthContext, request: Request, response: Response): Promise<void> {
  if (request.method === 'HEAD') response.set('cache-control', 'no-store').status(204).end()
  else if (isFramedLogin(context, request)) await framedLogin(context, request, response)
  else await loginRoute(context, request, response)
}

/** `GET /auth/session`: reports the login to scripts. It does not extend the idle timeout, so pages may poll it. */
async function sessionRoute(context: AuthContext, request: Request, response: Response): Promise<void> {
  response.set('cache-control', 'no-store')
  clearInvalidCookie(context, request, response)
  const login = await context.peekLogin(request)
  if (login === undefined) {
    response.json({ authenticated: false })
    return
  }
  const { user, tokens, endsAt } = login.record
  const { id, name, email } = user
  response.json({
    authenticated: true,
    user: { id, name, email },
    scope: tokens.scope,
    expiresAt: new Date(endsAt).toISOString(),
  })
}

const loginEntry: Entry = { methods: ['GET', 'HEAD'], route: loginOrHead }
const callbackEntry: Entry = { methods: ['GET', 'HEAD'], route: callbackRoute }
const logoutEntry: Entry = { methods: ['POST'], route: logoutRoute }
const sessionEntry: Entry = { methods: ['GET', 'HEAD'], route: sessionRoute }
