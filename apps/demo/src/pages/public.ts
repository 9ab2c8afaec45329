import { Router } from 'express'
import type { QlikAuth } from 'express-qlik-oauth'
import type { Environment } from '../environment.ts'
import { appInQuery, dashboards } from './dashboards.ts'
import { show } from './view.ts'

/** Mount path of the anonymous proxy. */
export const publicMount = '/public/qlik'

/** `GET /public` shows charts without a login. The anonymous client's token stays on the server, too. */
export function publicPage(qlik: QlikAuth, { anonymousClient, publicUrl }: Environment): Router {
  const router = Router()
  if (anonymousClient === undefined) return router

  router.get('/public', qlik.optionalLogin(), (request, response, next) => {
    const id = appInQuery(request.query.app)
    if (id === undefined) return next()
    show(request, response, 'dashboard', {
      title: 'Public dashboard',
      app: {
        id,
        name: 'Public dashboard',
        description: 'Anyone can see these charts. The server holds an anonymous token; the browser holds none.',
      },
      layout: dashboards.get(id),
      host: publicUrl + publicMount,
      back: { href: '/', text: 'Start page' },
      wide: true,
    })
  })
  return router
}
