import { type Request, Router } from 'express'
import { QlikOAuthError } from 'qlik-oauth'
import type { Environment } from '../environment.ts'
import { dashboards } from './dashboards.ts'
import { show } from './view.ts'

/** `GET /apps`, the list, and `GET /apps/{id}`, one app with its charts. */
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

/** The list for readers without scripts, read on the server with the user's own rights. */
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
    if (error instanceof NotThere) return undefined
    throw error
  }
}

class NotThere extends Error {}

async function asUser<Body>(request: Request, path: string): Promise<Body> {
  const answer = await request.qlik?.fetch(path, {
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(longestWaitMs),
  })
  if (answer === undefined || answer.status === 401)
    throw new QlikOAuthError('ERR_SESSION_EXPIRED', 'The tenant no longer accepts this login')
  // Whether an app does not exist or belongs to somebody else is the tenant's secret.
  if ([400, 403, 404].includes(answer.status)) throw new NotThere(`The tenant answered ${answer.status}`)
  if (!answer.ok) throw new QlikOAuthError('ERR_TENANT_RESPONSE', `The tenant answered ${answer.status}`)
  return (await answer.json()) as Body
}

const longestWaitMs = 20_000
