import { Router } from 'express'
import { type QlikAuth, singlePageClient } from 'express-qlik-oauth'
import { securityHeaders } from '../content-security-policy.ts'
import type { Environment } from '../environment.ts'
import { appInQuery, dashboards } from './dashboards.ts'
import { show } from './view.ts'

/**
 * The way of a single-page application, in which the browser itself is the OAuth client and holds the token: `GET /spa`
 * says when to choose it, `GET /spa/chart` shows it, and `GET /spa/callback` is where the tenant sends the browser back
 * to.
 *
 * Only the chart's page may connect to the tenant directly.
 */
export function singlePage(qlik: QlikAuth, environment: Environment): Router {
  const { publicUrl, singlePageClient: registered, tenant } = environment
  const router = Router()
  if (registered === undefined) return router

  const client = singlePageClient({
    tenant,
    clientId: registered.clientId,
    publicUrl,
    callbackPath: '/spa/callback',
    callbackScript: '/assets/qlik-embed/oauth-callback.js',
  })
  router.get('/spa', qlik.optionalLogin(), (request, response) => {
    show(request, response, 'single-page', { title: 'The single-page way' })
  })
  router.get(
    '/spa/chart',
    qlik.optionalLogin(),
    securityHeaders(environment, client.contentSecurityPolicy),
    (request, response, next) => {
      const appId = appInQuery(request.query.app)
      if (appId === undefined) return next()
      const objectId = dashboards.has(appId) ? 'bar-life-expectancy' : undefined
      show(request, response, 'single-page-chart', {
        title: 'A chart, the single-page way',
        attributes: client.attributes,
        appId,
        objectId,
      })
    },
  )
  router.get('/spa/callback', client.callback)
  return router
}
