import { Router } from 'express'
import type { QlikAuth } from 'express-qlik-oauth'
import type { Environment } from '../environment.ts'
import { appInQuery, dashboards } from './dashboards.ts'
import { show } from './view.ts'

/** Where the proxy for everybody is mounted. */
export const publicMount = '/public/qlik'

/** `GET /public`: charts for everybody, drawn with the anonymous client's token, which stays here as well. */
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
        description: 'Anybody may see these charts. The server holds an anonymous token; the browser holds nothing.',
      },
      layout: dashboards.get(id),
      host: publicUrl + publicMount,
      back: { href: '/', text: 'Start page' },
      wide: true,
    })
  })
  return router
}
