import type { Request, RequestHandler, Response } from 'express'
import { QlikOAuthError } from 'qlik-oauth'
import { sendError } from '../http/error-response.ts'
import { httpError } from '../http/http-error.ts'
import { isNavigation } from '../http/navigation.ts'
import type { AuthContext } from './auth-context.ts'
import { callbackRoute } from './callback-route.ts'
import { loginRoute } from './login-route.ts'
import { logoutRoute } from './logout-route.ts'
import { followLogin } from './session-life.ts'
import { sessionRoute } from './session-route.ts'
import { callbackPath, loginPath, logoutPath, sessionPath } from './tenant-registry.ts'

type Route = (context: AuthContext, request: Request, response: Response) => Promise<void>

/** The routes of the login. Errors that a person sees go to Express's error handler; scripts get JSON. */
export function loginRoutes(context: AuthContext): RequestHandler {
  const follow = followLogin(context)

  return function qlikRoutes(request, response, next) {
    const found = routeOf(request)
    if (found === undefined) return follow(request, response, next)
    const { methods, route } = found
    if (!methods.includes(request.method)) {
      return sendError(
        response,
        httpError('ERR_METHOD_NOT_ALLOWED', `This address takes ${methods.join(' and ')} only.`, { allow: methods }),
      )
    }
    return route(context, request, response).catch((error: unknown) => {
      if (isNavigation(request) || !(error instanceof QlikOAuthError)) next(error)
      else sendError(response, error)
    })
  }
}

interface Entry {
  readonly methods: readonly string[]
  readonly route: Route
}

function routeOf({ path }: Request): Entry | undefined {
  if (path.startsWith(`${callbackPath}/`)) return routes.get(callbackPath)
  return routes.get(path)
}

/**
 * Programs that look at links before people do ask with HEAD. It is safe (RFC 9110, section 9.2.1), so it may start no
 * attempt and use none up; refused with 405, many of them would try GET.
 */
function withoutEffect(route: Route): Route {
  return async (context, request, response) => {
    if (request.method !== 'HEAD') return await route(context, request, response)
    response.set('cache-control', 'no-store').status(204).end()
  }
}

const routes = new Map<string, Entry>([
  [loginPath, { methods: ['GET', 'HEAD'], route: withoutEffect(loginRoute) }],
  [callbackPath, { methods: ['GET', 'HEAD'], route: withoutEffect(callbackRoute) }],
  [logoutPath, { methods: ['POST'], route: logoutRoute }],
  [sessionPath, { methods: ['GET', 'HEAD'], route: sessionRoute }],
])
