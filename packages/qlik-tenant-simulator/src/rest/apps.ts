import { createHash, randomUUID } from 'node:crypto'
import { type AnalyticsApp, analyticsApps } from '../apps/catalogue.ts'
import { isObject, readJson, send, sendJson } from '../http/exchange.ts'
import type { TenantState } from '../tenant-state.ts'
import type { TenantUser } from '../tenant-user.ts'
import { badRequest, type Call, isAdmin, notFound, part, type Route } from './call.ts'
import { readAndCount } from './contents.ts'
import { sendPage } from './paging.ts'

const reading = ['user_default', 'admin_classic', 'apps', 'apps:read', 'admin.apps', 'admin.apps:read']
const writing = ['user_default', 'admin_classic', 'apps', 'admin.apps']

export const appRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/v1/items', scopes: reading, answer: listItems },
  { method: 'GET', path: '/api/v1/items/{id}', scopes: reading, answer: showItem },
  { method: 'POST', path: '/api/v1/apps', scopes: writing, answer: createApp },
  { method: 'POST', path: '/api/v1/apps/import', scopes: writing, answer: importApp },
  { method: 'GET', path: '/api/v1/apps/{id}', scopes: reading, answer: showApp },
  { method: 'PUT', path: '/api/v1/apps/{id}', scopes: writing, answer: updateApp },
  { method: 'DELETE', path: '/api/v1/apps/{id}', scopes: writing, answer: deleteApp },
  {
    method: 'POST',
    path: '/api/v1/apps/{id}/export',
    scopes: [...writing, 'apps:export', 'admin.apps:export'],
    answer: exportApp,
  },
  { method: 'GET', path: '/api/v1/apps/{id}/data/metadata', scopes: reading, answer: showMetadata },
]

/** A personal app is its owner's; an app in a space is seen by those in the space. */
export function maySeeApp(user: TenantUser, app: AnalyticsApp): boolean {
  return app.spaceId === undefined ? app.ownerId === user.id : (user.spaces ?? []).includes(app.spaceId)
}

/** @throws QlikError 404 for an app that does not exist or that this user does not see */
export function visibleApp(call: Call): AnalyticsApp {
  const app = call.state.apps.find(candidate => candidate.id === part(call, 'id'))
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
  const app = call.state.apps.find(candidate => itemId(candidate) === part(call, 'id'))
  if (app === undefined || !sees(call, app)) throw notFound('The item')
  await sendJson(call.exchange, 200, itemView(call.state, app))
}

async function showApp(call: Call) {
  await sendJson(call.exchange, 200, appView(call, visibleApp(call)))
}

async function createApp(call: Call) {
  const app = newApp(call, (await readJson(call.exchange)).attributes)
  call.state.apps.push(app)
  await sendJson(call.exchange, 200, appView(call, app))
}

/**
 * An exported file of this simulator comes back with its contents; any other bytes become a copy of the catalogue's
 * first app under a new name.
 */
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
  const app = visibleApp(call)
  const rows = app.data()
  const names = [...new Set(rows.flatMap(row => Object.keys(row)))]
  const fields = names.map(name => {
    const values = rows.map(row => row[name]).filter(value => value !== null && value !== undefined)
    const numeric = values.length > 0 && values.every(value => typeof value === 'number')
    return {
      name,
      src_tables: [app.name],
      is_system: false,
      is_hidden: false,
      is_semantic: false,
      distinct_only: false,
      cardinal: new Set(values).size,
      total_count: values.length,
      is_locked: false,
      always_one_selected: false,
      is_numeric: numeric,
      comment: '',
      tags: numeric ? ['$numeric'] : ['$ascii', '$text'],
      byte_size: values.length * 8,
    }
  })
  await sendJson(call.exchange, 200, {
    reload_meta: {
      cpu_time_spent_ms: 120,
      peak_memory_bytes: 4_194_304,
      fullReloadPeakMemoryBytes: 4_194_304,
      hardware: { logical_cores: 2, total_memory: 0 },
    },
    static_byte_size: rows.length * names.length * 8,
    fields,
    tables: [
      {
        name: app.name,
        is_system: false,
        is_semantic: false,
        is_loose: false,
        no_of_rows: rows.length,
        no_of_fields: names.length,
        no_of_key_fields: 0,
        comment: '',
        byte_size: rows.length * names.length * 8,
      },
    ],
    has_section_access: false,
    tables_profiling_data: [],
    is_direct_query_mode: false,
    usage: 'ANALYTICS',
  })
}

function ownApp(call: Call): AnalyticsApp {
  const app = visibleApp(call)
  if (app.ownerId === call.user.id || isAdmin(call, 'admin.apps')) return app
  throw notFound('The app')
}

function newApp(call: Call, given: unknown): AnalyticsApp {
  const { name, description, spaceId } = isObject(given) ? given : {}
  if (typeof name !== 'string' || name === '') throw badRequest('attributes.name is required')
  if (spaceId !== undefined && (typeof spaceId !== 'string' || !call.state.resources.spaces.has(spaceId)))
    throw badRequest('There is no such space')
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
    throw badRequest('sort must be name, createdAt or updatedAt, with + or -')
  const key = field as 'name' | 'createdAt' | 'updatedAt'
  const direction = sign === '-' ? -1 : 1
  return [...apps].sort(
    (one, other) =>
      direction * one[key].localeCompare(other[key], 'en', { sensitivity: 'base' }) || one.id.localeCompare(other.id),
  )
}

function itemId(app: AnalyticsApp): string {
  return createHash('sha256').update(app.id).digest('hex').slice(0, 24)
}

function itemView(state: TenantState, app: AnalyticsApp) {
  const self = `${state.origin}/api/v1/items/${itemId(app)}`
  return {
    id: itemId(app),
    name: app.name,
    description: app.description,
    resourceType: 'app',
    resourceId: app.id,
    resourceAttributes: {
      id: app.id,
      name: app.name,
      description: app.description,
      published: false,
      spaceId: app.spaceId ?? '',
      usage: 'ANALYTICS',
    },
    resourceSize: { appFile: 65_536, appMemory: 262_144 },
    resourceCreatedAt: app.createdAt,
    resourceUpdatedAt: app.updatedAt,
    ownerId: app.ownerId,
    creatorId: app.ownerId,
    tenantId: state.tenantId,
    ...(app.spaceId === undefined ? {} : { spaceId: app.spaceId }),
    createdAt: app.createdAt,
    updatedAt: app.updatedAt,
    actions: ['read', 'export'],
    collectionIds: [],
    isFavorited: false,
    meta: { isFavorited: false, actions: ['read', 'export'], tags: [], collections: [] },
    links: {
      self: { href: self },
      collections: { href: `${self}/collections` },
      open: { href: `${state.origin}/sense/app/${app.id}` },
    },
  }
}

function appView(call: Call, app: AnalyticsApp) {
  return {
    attributes: {
      id: app.id,
      name: app.name,
      description: app.description,
      thumbnail: '',
      lastReloadTime: app.updatedAt,
      createdDate: app.createdAt,
      modifiedDate: app.updatedAt,
      owner: `auth0|${app.ownerId}`,
      ownerId: app.ownerId,
      dynamicColor: 'hsla(165,100%,22%,1)',
      published: false,
      publishTime: '',
      custom: {},
      hasSectionAccess: false,
      encrypted: false,
      originAppId: '',
      isDirectQueryMode: false,
      usage: 'ANALYTICS',
      spaceId: app.spaceId ?? '',
      _resourcetype: 'app',
    },
    privileges:
      app.ownerId === call.user.id || isAdmin(call, 'admin.apps')
        ? ['read', 'update', 'delete', 'export', 'reload']
        : ['read', 'export'],
    create: [{ resource: 'sheet', canCreate: true }],
  }
}
