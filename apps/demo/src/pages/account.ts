import { type Request, Router } from 'express'
import { type QlikAuth, QlikOAuthError, requireSameOrigin } from 'express-qlik-oauth'
import type { Environment } from '../environment.ts'
import { show } from './view.ts'

/**
 * `GET /account` shows the user and their logins; `POST /account/logins/{id}/end` ends one of them, `POST
 * /account/logins/end` all.
 */
export function accountPage(qlik: QlikAuth, { idleSeconds, publicUrl }: Environment): Router {
  const router = Router()

  router.get('/', qlik.requireLogin(), async (request, response) => {
    const login = loginOf(request)
    const logins = await qlik.logins(login.user.id, login.tenant)
    show(request, response, 'account', {
      title: 'Your account',
      login,
      scopes: login.scope.split(' ').filter(name => name !== ''),
      logins: logins.toSorted((one, other) => Number(other.id === login.id) - Number(one.id === login.id)),
      idleSeconds,
      formatTime,
      formatDuration,
      fromNow: (date: Date) => `in ${formatDuration((date.getTime() - Date.now()) / 1000)}`,
    })
  })

  // Not requireLogin(): it answers a form with JSON, and this error is shown as a page.
  router.post('/logins/end', qlik.optionalLogin(), async (request, response) => {
    requireSameOrigin(request, publicUrl)
    const { user, tenant } = loginOf(request)
    await qlik.endLogins(user.id, tenant)
    response.redirect(303, `${publicUrl}/`)
  })

  router.post('/logins/:id/end', qlik.optionalLogin(), async (request, response) => {
    requireSameOrigin(request, publicUrl)
    await qlik.endLogin(String(request.params.id), loginOf(request).user.id)
    response.redirect(303, '/account')
  })

  return router
}

function loginOf({ qlik }: Request) {
  if (qlik === undefined) throw new QlikOAuthError('ERR_SESSION_EXPIRED', 'The login has ended')
  return qlik
}

function formatTime(date: Date): string {
  return `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

function formatDuration(seconds: number): string {
  const minutes = Math.max(1, Math.round(seconds / 60))
  const parts = [
    [Math.floor(minutes / 60), 'hour'],
    [minutes % 60, 'minute'],
  ] as const
  return parts.flatMap(([count, unit]) => (count === 0 ? [] : [`${count} ${unit}${count === 1 ? '' : 's'}`])).join(' ')
}
