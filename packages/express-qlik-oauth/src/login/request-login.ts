import type { QlikUser } from 'qlik-oauth'
import type { Login } from 'qlik-oauth/internal'
import { httpError } from '../http/http-error.ts'

/** What a handler behind a guard knows of the user: `req.qlik`. */
export interface RequestLogin {
  /** Names the login in `qlik.logins(userId)`; no secret. */
  readonly id: string
  readonly user: QlikUser
  /** Granted scopes, separated by spaces. */
  readonly scope: string
  /** Origin of the tenant. */
  readonly tenant: string
  /** When the login ends, however active it is. */
  readonly expiresAt: Date
  /** An access token that is valid now, for calls to the tenant from this server. Never send it to the browser. */
  accessToken(): Promise<string>
  /**
   * Calls the tenant as the user. The path stays on the tenant; redirects are not followed; a 401 is answered by
   * renewing the token once.
   * @param path Such as `/api/v1/items`.
   */
  fetch(path: string, init?: RequestInit): Promise<Response>
}

declare global {
  namespace Express {
    interface Request {
      /** Set by `requireLogin`, `requireScope` and, for those who are logged in, by `optionalLogin`. */
      qlik?: RequestLogin
    }
  }
}

export function requestLogin(login: Login): RequestLogin {
  const { user, tenant, tokens, endsAt } = login.record
  return {
    id: login.key,
    // A copy: what the application does to it must not reach other requests of the same login.
    user: { ...user },
    scope: tokens.scope ?? '',
    tenant,
    expiresAt: new Date(endsAt),
    accessToken: () => login.accessToken(),
    async fetch(path, init = {}) {
      const url = tenantUrl(path, tenant)
      const token = await login.accessToken()
      const answer = await call(url, init, token)
      const repeatable = init.body === undefined || init.body === null || typeof init.body === 'string'
      if (answer.status !== 401 || !repeatable) return answer
      const renewed = await login.accessToken({ rejected: token })
      if (renewed === token) return answer
      await answer.body?.cancel()
      return await call(url, init, renewed)
    },
  }
}

function tenantUrl(path: string, tenant: string): string {
  const url = URL.canParse(path, tenant) ? new URL(path, tenant) : undefined
  if (url?.origin === tenant && path.startsWith('/')) return url.href
  throw httpError('ERR_PATH_REFUSED', 'req.qlik.fetch takes a path on the tenant, such as "/api/v1/items".')
}

function call(url: string, init: RequestInit, token: string): Promise<Response> {
  const headers = new Headers(init.headers)
  headers.set('authorization', `Bearer ${token}`)
  return fetch(url, { ...init, headers, redirect: 'manual' })
}
