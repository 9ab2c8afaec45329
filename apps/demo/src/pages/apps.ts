import { type Request, Router } from 'express'
import { QlikOAuthError } from 'express-qlik-oauth'
import type { Environment } from '../environment.ts'
import { callTenant } from './call-tenant.ts'
import { dashboards } from './dashboards.ts'
import { show } from './view.ts'

/** `GET /apps` lists the apps; `GET /apps/{id}` shows the charts of one. */
export function appPages({ publicUrl }: Environment): Router {
  const router = Router()

  router.get('/', async (request, response) => {
    const plain = request.query.view === 'plain' ? await firstApps(request) : undefined
    show(request, response, 'apps', { title: 'Analytics apps', plain })
  })

  router.get('/:id', async (request, response, next) => {
    const app = await appOf(request, request.params.id)
    if (app === undefined) return next()
    show(request, response, 'dashboard', {
      title: app.name,
      app,
      layout: dashboards.get(app.id),
      host: `${publicUrl}/qlik`,
      back: { href: '/apps', text: 'All apps' },
      wide: true,
    })
  })

  return router
}

interface AppItem {
  readonly resourceId: string
  readonly name: string
  readonly description?: string
}

interface App {
  readonly id: string
  readonly name: string
  readonly description?: string
}

/** The list for browsers without scripts, read on the server with the user's own permissions. */
async function firstApps(request: Request): Promise<readonly AppItem[]> {
  const { data } = await asUser<{ data: readonly AppItem[] }>(
    request,
    '/api/v1/items?resourceType=app&limit=100&sort=%2Bname',
  )
  return data
}

async function appOf(request: Request, id: string): Promise<App | undefined> {
  try {
    const { attributes } = await asUser<{ attributes: App }>(request, `/api/v1/apps/${encodeURIComponent(id)}`)
    return attributes
  } catch (error) {
    if (error instanceof NotFound) return undefined
    throw error
  }
}

class NotFound extends Error {}

async function asUser<Body>(request: Request, path: string): Promise<Body> {
  const { qlik } = request
  if (qlik === undefined) throw new QlikOAuthError('ERR_SESSION_EXPIRED', 'The login has ended')
  const headers = { accept: 'application/json' }
  const response = await callTenant(signal => qlik.fetch(path, { headers, signal }))
  if (response.status === 401)
    throw new QlikOAuthError('ERR_SESSION_EXPIRED', 'The tenant no longer accepts this login')
  // Do not reveal whether the app exists.
  if ([400, 403, 404].includes(response.status)) throw new NotFound(`The tenant responded with ${response.status}`)
  if (!response.ok) throw new QlikOAuthError('ERR_TENANT_RESPONSE', `The tenant responded with ${response.status}`)
  return (await response.json()) as Body
}
