import { randomUUID } from 'node:crypto'
import { isObject, readJson, readJsonValue, send, sendJson, sendRedirect } from '../http/exchange.ts'
import { QlikError } from '../http/qlik-error.ts'
import type { TenantUser } from '../tenant/users.ts'
import { badRequest, type Call, isAdmin, notFound, pathParameter, type Route, requireAdmin } from './call.ts'
import { sendPage } from './paging.ts'
import { matchesFilter } from './scim-filter.ts'

/** The users of the tenant. */
export const userRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/v1/users/me',
    scopes: 'any',
    handle: async ({ state, exchange, user }) =>
      sendRedirect(
        exchange,
        state.settings.usersMeRedirectStatus,
        `/api/v1/users/${encodeURIComponent(user.id)}${exchange.url.search}`,
      ),
  },
  { method: 'GET', path: '/api/v1/users', scopes: ['user_default', 'admin_classic', 'admin.users'], handle: listUsers },
  { method: 'POST', path: '/api/v1/users', scopes: ['admin_classic', 'admin.users'], handle: createUser },
  { method: 'GET', path: '/api/v1/users/{id}', scopes: 'any', handle: showUser },
  { method: 'PATCH', path: '/api/v1/users/{id}', scopes: ['admin_classic', 'admin.users'], handle: patchUser },
  { method: 'DELETE', path: '/api/v1/users/{id}', scopes: ['admin_classic', 'admin.users'], handle: deleteUser },
]

/** Lists users for administrators, and for machine clients: Qlik's impersonation sample finds users with `user_default`. */
async function listUsers(call: Call) {
  if (call.user.clientId === undefined) requireAdmin(call, 'admin.users')
  const { searchParams } = call.exchange.url
  const filter = searchParams.get('filter')
  const subject = searchParams.get('subject')
  const email = searchParams.get('email')
  const found = call.state.users.all.filter(
    user =>
      (subject === null || user.subject === subject) &&
      (email === null || user.email === email) &&
      (filter === null || matchesFilter(filter, { ...user, status: user.status ?? 'active' })),
  )
  await sendPage(call.state, call.exchange, found, user => userView(call, user))
}

async function showUser(call: Call) {
  const id = pathParameter(call, 'id')
  const user = id === call.user.id || isAdmin(call, 'admin.users') ? call.state.users.find(id) : undefined
  if (user === undefined) throw new QlikError(404, 'USERS-7', 'User not found')
  await sendJson(call.exchange, 200, userView(call, user))
}

async function createUser(call: Call) {
  requireAdmin(call, 'admin.users')
  const { name, email, subject } = await readJson(call.exchange)
  if (typeof subject !== 'string' || subject === '') throw badRequest('subject is required')
  if (call.state.users.findBySubject(subject) !== undefined)
    throw new QlikError(409, 'USERS-9', 'Subject already exists')
  const user: TenantUser = {
    id: randomUUID().replaceAll('-', '').slice(0, 24),
    name: typeof name === 'string' ? name : subject,
    email: typeof email === 'string' ? email : '',
    subject,
  }
  call.state.users.put(user)
  await sendJson(call.exchange, 201, userView(call, user))
}

async function patchUser(call: Call) {
  requireAdmin(call, 'admin.users')
  const user = call.state.users.find(pathParameter(call, 'id'))
  if (user === undefined) throw new QlikError(404, 'USERS-7', 'User not found')
  const patches = await readJsonValue(call.exchange)
  if (!Array.isArray(patches)) throw badRequest('The body must be a JSON Patch')
  let patched = user
  for (const patch of patches as unknown[]) {
    if (!isObject(patch) || patch.op !== 'replace') throw badRequest('Only replace is supported')
    const { path, value } = patch
    if (typeof value === 'string' && (path === '/name' || path === '/email'))
      patched = { ...patched, [path.slice(1)]: value }
    else if (path === '/status' && (value === 'active' || value === 'disabled')) patched = { ...patched, status: value }
    else throw badRequest(`Cannot change ${JSON.stringify(path)}`)
  }
  call.state.users.put(patched)
  if (patched.status === 'disabled') endUser(call, user.id)
  await send(call.exchange, 204)
}

async function deleteUser(call: Call) {
  requireAdmin(call, 'admin.users')
  const id = pathParameter(call, 'id')
  if (!call.state.users.remove(id)) throw notFound('The user')
  endUser(call, id)
  await send(call.exchange, 204)
}

/** Ends the logins and revokes the tokens of a user. */
function endUser({ state }: Call, userId: string) {
  state.sessions.endUser(userId)
  state.tokens.revokeRefreshTokens(token => token.userId === userId)
  state.closeSockets(state.tokens.revokeAccessTokens(token => token.userId === userId))
}

/** Name, email and subject require a scope each, unless the token has a general scope. */
function userView({ state, token }: Call, user: TenantUser) {
  const isVisible = (scope: string) =>
    ['user_default', 'admin_classic', 'admin.users', scope].some(name => token.scope.includes(name))
  const href = `${state.origin}/api/v1/users/${encodeURIComponent(user.id)}`
  return {
    id: user.id,
    tenantId: state.tenantId,
    ...(user.clientId === undefined ? {} : { clientId: user.clientId }),
    status: user.status ?? 'active',
    ...(isVisible('identity.name:read') ? { name: user.name } : {}),
    ...(isVisible('identity.email:read') ? { email: user.email } : {}),
    ...(isVisible('identity.subject:read') ? { subject: user.subject } : {}),
    assignedRoles: (user.roles ?? []).map(name => ({
      id: `role-${name.toLowerCase()}`,
      name,
      type: 'default',
      level: 'admin',
    })),
    locale: 'en',
    zoneinfo: 'Europe/Stockholm',
    createdAt: '2026-01-12T08:00:00.000Z',
    lastUpdatedAt: '2026-01-12T08:00:00.000Z',
    links: { self: { href } },
  }
}
