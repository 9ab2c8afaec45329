import type { Request, Response } from 'express'
import type { AuthContext } from './auth-context.ts'
import { clearInvalidCookie } from './session-life.ts'

/** `GET /auth/session`: tells scripts who is logged in. Asking keeps nobody logged in, so pages may poll it. */
export async function sessionRoute(context: AuthContext, request: Request, response: Response): Promise<void> {
  clearInvalidCookie(context, request, response)
  const login = await context.peekLogin(request)
  response.set('cache-control', 'no-store')
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
