import type { Exchange } from '../http/exchange.ts'
import { QlikError } from '../http/qlik-error.ts'
import type { TenantState } from '../tenant/state.ts'
import { appRoutes } from './apps.ts'
import { authenticate } from './authentication.ts'
import { type Route, requireScope } from './call.ts'
import { contentRoutes } from './contents.ts'
import { oauthClientRoutes } from './oauth-clients.ts'
import { oauthTokenRoutes } from './oauth-tokens.ts'
import { platformRoutes } from './platform.ts'
import { spaceRoutes } from './spaces.ts'
import { regionRoutes, tenantRoutes } from './tenants.ts'
import { userRoutes } from './users.ts'

/** Handles /api/**: authenticates the request, finds the route, checks the scope. */
export async function restApi(state: TenantState, exchange: Exchange): Promise<void> {
  const { user, token } = authenticate(state, exchange)
  const pathname = exchange.url.pathname
  const method = exchange.request.method ?? 'GET'
  const onPath = (state.tier === 'tenant' ? tenantApi : regionApi).flatMap(route => {
    const path = parametersOf(route, pathname)
    return path === undefined ? [] : [{ route, path }]
  })
  const found =
    onPath.find(({ route }) => route.method === method) ??
    onPath.find(({ route }) => route.method === 'GET' && method === 'HEAD')
  if (found === undefined && onPath.length === 0) throw new QlikError(404, 'HTTP-404', 'Not found', pathname)
  if (found === undefined)
    throw new QlikError(405, 'HTTP-405', 'Method not allowed', method, {
      allow: onPath.map(({ route }) => route.method).join(', '),
    })

  requireScope(token, found.route.scopes)
  await found.route.handle({ state, exchange, user, token, path: found.path })
}

interface CompiledRoute extends Route {
  readonly pattern: RegExp
}

const tenantApi = compiled([
  ...userRoutes,
  ...tenantRoutes,
  ...appRoutes,
  ...platformRoutes,
  ...spaceRoutes,
  ...contentRoutes,
  ...oauthClientRoutes,
  ...oauthTokenRoutes,
])
const regionApi = compiled(regionRoutes)

/** Sorts literal segments before parameters, so that `users/me` does not match `users/{id}`. */
function compiled(routes: readonly Route[]): readonly CompiledRoute[] {
  return routes
    .map(route => ({
      ...route,
      pattern: new RegExp(`^${route.path.replaceAll('.', '\\.').replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`),
    }))
    .sort((one, other) => one.path.split('{').length - other.path.split('{').length)
}

function parametersOf(route: CompiledRoute, pathname: string): Record<string, string> | undefined {
  const groups = route.pattern.exec(pathname)
  if (groups === null) return undefined
  try {
    return Object.fromEntries(
      Object.entries(groups.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]),
    )
  } catch {
    throw new QlikError(400, 'HTTP-400', 'Bad request', 'The path is not correctly percent-encoded')
  }
}
