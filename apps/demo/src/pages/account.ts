import { Router } from 'express'
import { type QlikAuth, requireSameOrigin } from 'express-qlik-oauth'
import type { Environment } from '../environment.ts'
import { show } from './view.ts'

/** `GET /account`: who is logged in here and where else, and `POST /account/logins/end`: nowhere any more. */
export function accountPage(qlik: QlikAuth, { idleSeconds, publicUrl }: Environment): Router {
  const router = Router()

  router.get('/', async (request, response) => {
    const login = request.qlik
    if (login === undefined) throw new Error('This page stands behind requireLogin')
    const logins = await qlik.logins(login.user.id, login.tenant)
    show(request, response, 'account', {
      title: 'Your account',
      login,
      scopes: login.scope.split(' ').filter(name => name !== ''),
      logins: logins.toSorted((one, other) => Number(other.id === login.id) - Number(one.id === login.id)),
      idleSeconds,
      at,
      duration,
      fromNow: (date: Date) => `in ${duration((date.getTime() - Date.now()) / 1000)}`,
    })
  })

  router.post('/logins/end', async (request, response) => {
    requireSameOrigin(request, publicUrl)
    if (request.qlik !== undefined) await qlik.endLogins(request.qlik.user.id, request.qlik.tenant)
    response.redirect(303, '/')
  })

  return router
}

function at(date: Date): string {
  return `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

function duration(seconds: number): string {
  const minutes = Math.max(1, Math.round(seconds / 60))
  const parts = [
    [Math.floor(minutes / 60), 'hour'],
    [minutes % 60, 'minute'],
  ] as const
  return parts.flatMap(([count, unit]) => (count === 0 ? [] : [`${count} ${unit}${count === 1 ? '' : 's'}`])).join(' ')
}
