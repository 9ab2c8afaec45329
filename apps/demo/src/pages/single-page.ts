import { Router } from 'express'
import { securityHeaders } from '../content-security-policy.ts'
import type { Environment } from '../environment.ts'
import { show } from './view.ts'

/**
 * `GET /spa` and its callback: the way of a single-page application, in which the browser itself is the OAuth client and holds the token.
 *
 * Only these pages may connect to the tenant directly.
 */
export function singlePage(environment: Environment): Router {
  const { publicUrl, singlePageClient, tenant } = environment
  const router = Router()
  if (singlePageClient === undefined) return router

  const headers = securityHeaders(environment, { sources: [tenant] })
  const client = { host: tenant, clientId: singlePageClient.clientId, redirectUri: `${publicUrl}/spa/callback` }
  router.get('/spa', headers, (request, response) => {
    show(request, response, 'single-page', { title: 'The single-page way', client })
  })
  router.get('/spa/callback', headers, (request, response) => {
    response.set('cache-control', 'no-store')
    show(request, response, 'single-page-callback', { title: 'Logging in', client })
  })
  return router
}
