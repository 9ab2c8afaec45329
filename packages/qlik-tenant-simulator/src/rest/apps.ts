import { randomUUID } from 'node:crypto'
import { type AnalyticsApp, analyticsApps } from '../apps/catalogue.ts'
import { isObject, readJson, send, sendJson } from '../http/exchange.ts'
import type { TenantUser } from '../tenant/users.ts'
import { appView, itemId, itemView, metadataView } from './app-views.ts'
import { badRequest, type Call, generalScopes, isAdmin, notFound, pathParameter, type Route } from './call.ts'
import { readAndCount } from './contents.ts'
import { sendPage } from './paging.ts'

/** Scopes that allow reading apps. */
export const readScopes = [...generalScopes, 'apps', 'apps:read', 'admin.apps', 'admin.apps:read']
const writeScopes = [...generalScopes, 'apps', 'admin.apps']

export const appRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/v1/items', scopes: readScopes, handle: listItems },
  { method: 'GET', path: '/api/v1/items/{id}', scopes: readScopes, handle: showItem },
  { method: 'GET', path: '/api/v1/items/{id}/collections', scopes: readScopes, handle: listCollections },
  { method: 'POST', path: '/api/v1/apps', scopes: writeScopes, handle: createApp },
  { method: 'POST', path: '/api/v1/apps/import', scopes: writeScopes, handle: importApp },
  { method: 'GET', path: '/api/v1/apps/{id}', scopes: readScopes, handle: showApp },
  { method: 'PUT', path: '/api/v1/apps/{id}', scopes: writeScopes, handle: updateApp },
  { method: 'DELETE', path: '/api/v1/apps/{id}', scopes: writeScopes, handle: deleteApp },
  {
    method: 'POST',
    path: '/api/v1/apps/{id}/export',
    scopes: [...writeScopes, 'apps:export', 'admin.apps:export'],
    handle: exportApp,
  },
  { method: 'GET', path: '/api/v1/apps/{id}/data/metadata', scopes: readScopes, handle: showMetadata },
]

/** Whether a user can open an app: the owner of a personal app, a member of the app's space. */
export function maySeeApp(user: TenantUser, app: AnalyticsApp): boolean {
  return app.spaceId === undefined ? app.ownerId === user.id : (user.spaces ?? []).includes(app.spaceId)
}

/** The app at `{id}`. @throws QlikError 404 for an app that does not exist or that the user cannot see */
export function visibleApp(call: Call): AnalyticsApp {
  const app = call.state.apps.find(candidate => candidate.id === pathParameter(call, 'id'))
  if (app === undefined || !sees(call, app)) throw notFound('The app')
  return app
}

function sees(call: Call, app: AnalyticsApp): boolean {
  return isAdmin(call, 'admin.apps') || maySeeApp(call.user, app)
}

async function listItems(call: Call) {
  const { searchParams } = call.exchange.url
  const type = searchParams.get('resourceType')
  const search = (searchParams.get('query') ?? searchParams.get('name') ?? '').toLowerCase()
  const exactName = searchParams.get('name')?.toLowerCase()
  const spaceId = searchParams.get('spaceId')
  const found = call.state.apps.filter(
    app =>
      sees(call, app) &&
      (type === null || type.split(',').includes('app')) &&
      (spaceId === null || (app.spaceId ?? 'personal') === spaceId) &&
      (exactName === undefined || app.name.toLowerCase() === exactName) &&
      (app.name.toLowerCase().includes(search) || app.description.toLowerCase().includes(search)),
  )
  await sendPage(call.state, call.exchange, sorted(found, searchParams.get('sort')), app => itemView(call.state, app))
}

async function showItem(call: Call) {
  await sendJson(call.exchange, 200, itemView(call.state, visibleItem(call)))
}

/** No item is in a collection. */
async function listCollections(call: Call) {
  visibleItem(call)
  await sendPage(call.state, call.exchange, [])
}

function visibleItem(call: Call): AnalyticsApp {
  const app = call.state.apps.find(candidate => itemId(candidate) === pathParameter(call, 'id'))
  if (app === undefined || !sees(call, app)) throw notFound('The item')
  return app
}

async function showApp(call: Call) {
  await sendJson(call.exchange, 200, appView(call, visibleApp(call)))
}

async function createApp(call: Call) {
  const app = newApp(call, (await readJson(call.exchange)).attributes)
  call.state.apps.push(app)
  await sendJson(call.exchange, 200, appView(call, app))
}

/** Imports a file exported by the simulator. Any other file becomes a copy of the catalogue's first app. */
async function importApp(call: Call) {
  const { searchParams } = call.exchange.url
  const { kept, size } = await readAndCount(call.exchange.request, call.state.settings.keptUploadBytes)
  if (size === 0) throw badRequest('The body is empty')
  const source = [...call.state.apps, ...analyticsApps].find(app => app.id === exportedId(kept)) ?? analyticsApps[0]
  const spaceId = searchParams.get('spaceId') ?? undefined
  const created = newApp(call, {
    name: searchParams.get('name') ?? 'Imported app',
    description: source?.description,
    spaceId,
  })
  const app =
    source === undefined ? created : { ...created, sheets: source.sheets, objects: source.objects, data: source.data }
  call.state.apps.push(app)
  await sendJson(call.exchange, 200, appView(call, app))
}

async function updateApp(call: Call) {
  const app = ownApp(call)
  const attributes = (await readJson(call.exchange)).attributes
  const { name, description } = isObject(attributes) ? attributes : {}
  const updated: AnalyticsApp = {
    ...app,
    name: typeof name === 'string' ? name : app.name,
    description: typeof description === 'string' ? description : app.description,
    updatedAt: new Date(call.state.settings.now()).toISOString(),
  }
  call.state.apps[call.state.apps.indexOf(app)] = updated
  await sendJson(call.exchange, 200, appView(call, updated))
}

async function deleteApp(call: Call) {
  const app = ownApp(call)
  call.state.apps.splice(call.state.apps.indexOf(app), 1)
  await send(call.exchange, 200)
}

async function exportApp(call: Call) {
  const { id, name } = visibleApp(call)
  await send(call.exchange, 200, Buffer.from(JSON.stringify({ simulatedApp: id, name })), {
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(name)}.qvf`,
  })
}

async function showMetadata(call: Call) {
  await sendJson(call.exchange, 200, metadataView(visibleApp(call)))
}

function ownApp(call: Call): AnalyticsApp {
  const app = visibleApp(call)
  if (app.ownerId === call.user.id || isAdmin(call, 'admin.apps')) return app
  throw notFound('The app')
}

function newApp(call: Call, attributes: unknown): AnalyticsApp {
  const { name, description, spaceId } = isObject(attributes) ? attributes : {}
  if (typeof name !== 'string' || name === '') throw badRequest('attributes.name is required')
  if (spaceId !== undefined && (typeof spaceId !== 'string' || !call.state.resources.spaces.has(spaceId)))
    throw badRequest('Unknown space')
  const at = new Date(call.state.settings.now()).toISOString()
  return {
    id: randomUUID(),
    name,
    description: typeof description === 'string' ? description : '',
    ...(spaceId === undefined ? {} : { spaceId: spaceId as NonNullable<AnalyticsApp['spaceId']> }),
    ownerId: call.user.id,
    createdAt: at,
    updatedAt: at,
    sheets: [],
    objects: [],
    data: () => [],
  }
}

/** Id of the exported app in a file; undefined for other content. */
function exportedId(bytes: Buffer): string | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    const id = isObject(value) ? value.simulatedApp : undefined
    return typeof id === 'string' ? id : undefined
  } catch {
    return undefined
  }
}

function sorted(apps: readonly AnalyticsApp[], sort: string | null): AnalyticsApp[] {
  const [, sign = '+', field = 'updatedAt'] =
    /^([+-]?)(name|createdAt|updatedAt)$/.exec((sort ?? '-updatedAt').trim()) ?? []
  if (sort !== null && !/^[+-]?(name|createdAt|updatedAt)$/.test(sort.trim()))
    throw badRequest('sort must be name, createdAt or updatedAt, with an optional + or -')
  const key = field as 'name' | 'createdAt' | 'updatedAt'
  const direction = sign === '-' ? -1 : 1
  return [...apps].sort(
    (one, other) =>
      direction * one[key].localeCompare(other[key], 'en', { sensitivity: 'base' }) || one.id.localeCompare(other.id),
  )
}
