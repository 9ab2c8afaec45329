import { Router } from 'express'
import type { Environment } from '../environment.ts'
import { dashboards } from './dashboards.ts'
import { show } from './view.ts'

/** Where the proxy for everybody is mounted. */
export const publicMount = '/public/qlik'

/** `GET /public`: charts for everybody, drawn with the anonymous client's token, which stays here as well. */
export function publicPage({ anonymousClient, publicUrl }: Environment): Router {
  const router = Router()
  if (anonymousClient === undefined) return router

  router.get('/public', (request, response, next) => {
    const [[id, layout] = []] = dashboards
    if (id === undefined) return next()
    show(request, response, 'dashboard', {
      title: 'Public dashboard',
      app: {
        id,
        name: 'Public dashboard',
        description: 'Anybody may see these charts. The server holds an anonymous token; the browser holds nothing.',
      },
      layout,
      host: publicUrl + publicMount,
      back: { href: '/', text: 'Start page' },
      wide: true,
    })
  })
  return router
}
