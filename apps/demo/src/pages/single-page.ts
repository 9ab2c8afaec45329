import { Router } from 'express'
import { type QlikAuth, singlePageClient } from 'express-qlik-oauth'
import { securityHeaders } from '../content-security-policy.ts'
import type { Environment } from '../environment.ts'
import { appInQuery, dashboards } from './dashboards.ts'
import { show } from './view.ts'

/**
 * A single-page app, in which the browser is the OAuth client and holds the token: `GET /spa` compares it with the
 * server-side login, `GET /spa/chart` shows a chart, `GET /spa/callback` is the redirect URI.
 *
 * Only the page of the chart may connect to the tenant directly.
 */
export function singlePage(qlik: QlikAuth, environment: Environment): Router {
  const { publicUrl, singlePageClientId, tenant } = environment
  const router = Router()
  if (singlePageClientId === undefined) return router

  const client = singlePageClient({
    tenant,
    clientId: singlePageClientId,
    publicUrl,
    callbackPath: '/spa/callback',
    callbackScript: '/assets/qlik-embed/oauth-callback.js',
  })
  router.get('/spa', qlik.optionalLogin(), (request, response) => {
    show(request, response, 'single-page', { title: 'Single-page app (SPA)' })
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
        title: 'Chart in a single-page app',
        attributes: client.attributes,
        appId,
        objectId,
      })
    },
  )
  router.get('/spa/callback', client.callback)
  return router
}
