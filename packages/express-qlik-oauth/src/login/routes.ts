import type { Request, RequestHandler, Response } from 'express'
import { QlikOAuthError } from 'qlik-oauth'
import type { AuthContext } from '../auth-context.ts'
import { answer } from '../error-answer.ts'
import { callbackPath, loginPath, logoutPath, sessionPath } from '../options.ts'
import { Refusal } from '../refusal.ts'
import { callbackRoute } from './callback-route.ts'
import { loginRoute } from './login-route.ts'
import { logoutRoute } from './logout-route.ts'
import { isNavigation } from './navigation.ts'
import { followLogin } from './session-life.ts'
import { sessionRoute } from './session-route.ts'

type Route = (context: AuthContext, request: Request, response: Response) => Promise<void>

/** The routes of the login. Errors that a person sees go to Express's error handler; scripts get JSON. */
export function loginRoutes(context: AuthContext): RequestHandler {
  const follow = followLogin(context)

  return function qlikRoutes(request, response, next) {
    const found = routeOf(request)
    if (found === undefined) return follow(request, response, next)
    const [method, route] = found
    if (request.method !== method) {
      return answer(response, new Refusal('ERR_METHOD_NOT_ALLOWED', `This address takes ${method} only.`, { allow: [method] }))
    }
    return route(context, request, response).catch((error: unknown) => {
      if (isNavigation(request) || !(error instanceof QlikOAuthError || error instanceof Refusal)) next(error)
      else answer(response, error)
    })
  }
}

function routeOf({ path }: Request): readonly [method: string, route: Route] | undefined {
  if (path === callbackPath || path.startsWith(`${callbackPath}/`)) return ['GET', callbackRoute]
  return routes.get(path)
}

const routes = new Map<string, readonly [method: string, route: Route]>([
  [loginPath, ['GET', loginRoute]],
  [logoutPath, ['POST', logoutRoute]],
  [sessionPath, ['GET', sessionRoute]],
])
