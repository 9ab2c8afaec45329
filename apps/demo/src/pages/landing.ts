import { Router } from 'express'
import type { QlikAuth } from 'express-qlik-oauth'
import { show } from './view.ts'

/** `GET /`, the public start page. */
export function landingPage(qlik: QlikAuth): Router {
  const router = Router()
  router.get('/', qlik.optionalLogin(), (request, response) => {
    show(request, response, 'landing', {
      title: 'Welcome',
      offersLogin: false,
      loggedOut: request.query.loggedOut !== undefined && request.qlik === undefined,
    })
  })
  return router
}
