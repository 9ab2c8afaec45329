import { Router } from 'express'
import { QlikOAuthError, type TokenSource } from 'express-qlik-oauth'
import type { Environment } from '../environment.ts'
import type { SharedTokens } from '../shared-tokens.ts'
import { callTenant } from './call-tenant.ts'
import { show } from './view.ts'

/** `GET /status` counts the tenant's resources with the machine-to-machine client, independent of the user. */
export function statusPage({ machineClient }: Environment, { machine }: SharedTokens): Router {
  const router = Router()
  if (machine === undefined || machineClient === undefined) return router

  router.get('/', async (request, response) => {
    const counts = await Promise.all(
      counted.map(async ({ name, path }) => ({ name, count: await countOf(machine, path) })),
    )
    show(request, response, 'status', { title: 'Tenant status', figures: counts, clientId: machineClient.clientId })
  })
  return router
}

const counted = [
  { name: 'analytics apps', path: '/api/v1/items?resourceType=app&limit=100' },
  { name: 'spaces', path: '/api/v1/spaces?limit=100' },
  { name: 'users', path: '/api/v1/users?limit=100' },
]

/** The number of entries on the first page, followed by a plus when there are more pages. */
async function countOf(tokens: TokenSource, path: string): Promise<string> {
  const authorization = `Bearer ${await tokens.accessToken()}`
  const headers = { accept: 'application/json', authorization }
  const response = await callTenant(signal => fetch(tokens.tenant + path, { headers, redirect: 'error', signal }))
  if (!response.ok)
    throw new QlikOAuthError(
      'ERR_TENANT_RESPONSE',
      `The tenant responded to the machine-to-machine client with ${response.status}`,
    )
  const { data, links } = (await response.json()) as {
    data: readonly unknown[]
    links?: { next?: { href?: string } }
  }
  return `${data.length}${links?.next?.href === undefined ? '' : '+'}`
}
