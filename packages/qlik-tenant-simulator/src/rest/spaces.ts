import { randomUUID } from 'node:crypto'
import { readJson, send, sendJson } from '../http/exchange.ts'
import { QlikError } from '../http/qlik-error.ts'
import type { Space } from '../tenant/resources.ts'
import type { TenantUser } from '../tenant/users.ts'
import {
  badRequest,
  type Call,
  generalScopes,
  isAdmin,
  notFound,
  pathParameter,
  type Route,
  requireScope,
} from './call.ts'
import { sendPage } from './paging.ts'

const spaceTypes = ['shared', 'managed', 'data'] as const
const spaceWriteScopes = [...generalScopes, ...spaceTypes.map(type => `spaces.${type}`), 'admin.spaces']
const spaceReadScopes = [
  ...spaceWriteScopes,
  ...spaceTypes.map(type => `spaces.${type}:read`),
  'spaces:read',
  'admin.spaces:read',
]

/** Spaces, and the assignments of users to them. */
export const spaceRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/v1/spaces', scopes: spaceReadScopes, handle: listSpaces },
  { method: 'POST', path: '/api/v1/spaces', scopes: spaceWriteScopes, handle: createSpace },
  { method: 'GET', path: '/api/v1/spaces/{id}', scopes: spaceReadScopes, handle: showSpace },
  { method: 'GET', path: '/api/v1/spaces/{id}/assignments', scopes: spaceReadScopes, handle: listAssignments },
  { method: 'POST', path: '/api/v1/spaces/{id}/assignments', scopes: spaceWriteScopes, handle: createAssignment },
  {
    method: 'DELETE',
    path: '/api/v1/spaces/{id}/assignments/{assignment}',
    scopes: spaceWriteScopes,
    handle: deleteAssignment,
  },
]

function visibleSpaces(call: Call): Space[] {
  const all = [...call.state.resources.spaces.values()]
  return isAdmin(call, 'admin.spaces')
    ? all
    : all.filter(({ id, ownerId }) => (call.user.spaces ?? []).includes(id) || ownerId === call.user.id)
}

/** The space at `{id}`. @throws QlikError 404 for a space that does not exist or that the user cannot see */
function visibleSpace(call: Call): Space {
  const space = visibleSpaces(call).find(({ id }) => id === pathParameter(call, 'id'))
  if (space === undefined) throw notFound('The space')
  return space
}

/** A space that the caller may change. @throws QlikError 404 as for `visibleSpace`; 403 for a space of another owner */
function ownSpace(call: Call): Space {
  const space = visibleSpace(call)
  requireScope(call.token, [...generalScopes, `spaces.${space.type}`, 'admin.spaces'])
  if (space.ownerId !== call.user.id && !isAdmin(call, 'admin.spaces'))
    throw new QlikError(403, 'HTTP-403', 'Forbidden', 'Requires the owner of the space or an administrator')
  return space
}

async function listSpaces(call: Call) {
  const name = call.exchange.url.searchParams.get('name')
  const found = visibleSpaces(call).filter(space => name === null || space.name === name)
  await sendPage(call.state, call.exchange, found, space => spaceView(call, space))
}

async function showSpace(call: Call) {
  await sendJson(call.exchange, 200, spaceView(call, visibleSpace(call)))
}

async function createSpace(call: Call) {
  const { name, description = '', type = 'shared' } = await readJson(call.exchange)
  if (typeof name !== 'string' || name === '') throw badRequest('name is required')
  if (typeof description !== 'string') throw badRequest('description must be a string')
  const spaceType = spaceTypes.find(name => name === type)
  if (spaceType === undefined) throw badRequest('type must be shared, managed or data')
  requireScope(call.token, [...generalScopes, `spaces.${spaceType}`, 'admin.spaces'])
  const at = new Date(call.state.settings.now()).toISOString()
  const space: Space = {
    id: randomUUID(),
    name,
    description,
    type: spaceType,
    ownerId: call.user.id,
    createdAt: at,
    updatedAt: at,
  }
  call.state.resources.spaces.set(space.id, space)
  await sendJson(call.exchange, 201, spaceView(call, space))
}

function spaceView({ state }: Call, space: Space) {
  const href = `${state.origin}/api/v1/spaces/${space.id}`
  return {
    ...space,
    tenantId: state.tenantId,
    links: { self: { href }, assignments: { href: `${href}/assignments` } },
    meta: { actions: ['read'], roles: [] },
  }
}

async function listAssignments(call: Call) {
  const space = visibleSpace(call)
  const members = call.state.users.all.filter(user => user.spaces?.includes(space.id))
  await sendPage(call.state, call.exchange, members, user => assignmentView(call, space, user))
}

async function createAssignment(call: Call) {
  const space = ownSpace(call)
  const { type, assigneeId, roles } = await readJson(call.exchange)
  if (type !== 'user') throw badRequest('type must be user; groups are not simulated')
  if (!Array.isArray(roles) || roles.length === 0 || !roles.every(role => typeof role === 'string'))
    throw badRequest('roles must be a list of strings')
  const user = typeof assigneeId === 'string' ? call.state.users.find(assigneeId) : undefined
  if (user === undefined) throw badRequest('assigneeId must be the id of a user')
  if (user.spaces?.includes(space.id)) throw new QlikError(409, 'HTTP-409', 'Conflict', 'The user is already assigned')
  const member = call.state.users.put({ ...user, spaces: [...(user.spaces ?? []), space.id] })
  call.state.resources.spaceRoles.set(assignmentId(space, member), roles)
  await sendJson(call.exchange, 201, assignmentView(call, space, member))
}

async function deleteAssignment(call: Call) {
  const space = ownSpace(call)
  const id = pathParameter(call, 'assignment')
  const member = call.state.users.all.find(user => assignmentId(space, user) === id && user.spaces?.includes(space.id))
  if (member === undefined) throw notFound('The assignment')
  call.state.users.put({ ...member, spaces: (member.spaces ?? []).filter(other => other !== space.id) })
  call.state.resources.spaceRoles.delete(id)
  await send(call.exchange, 204)
}

function assignmentId(space: Space, user: TenantUser): string {
  return Buffer.from(JSON.stringify([space.id, user.id])).toString('base64url')
}

function assignmentView({ state }: Call, space: Space, user: TenantUser) {
  const id = assignmentId(space, user)
  return {
    id,
    type: 'user',
    assigneeId: user.id,
    roles: state.resources.spaceRoles.get(id) ?? ['consumer'],
    spaceId: space.id,
    tenantId: state.tenantId,
    links: {
      self: { href: `${state.origin}/api/v1/spaces/${space.id}/assignments/${id}` },
      space: { href: `${state.origin}/api/v1/spaces/${space.id}` },
    },
  }
}
