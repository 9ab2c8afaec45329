import { createHash } from 'node:crypto'
import type { AnalyticsApp } from '../apps/catalogue.ts'
import type { TenantState } from '../tenant/state.ts'
import { type Call, isAdmin } from './call.ts'

/** Id of the item that lists an app; items and apps have different ids. */
export function itemId(app: AnalyticsApp): string {
  return createHash('sha256').update(app.id).digest('hex').slice(0, 24)
}

/** An app as `GET /items` lists it. */
export function itemView(state: TenantState, app: AnalyticsApp) {
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

/** An app as `GET /apps/{id}` shows it. */
export function appView(call: Call, app: AnalyticsApp) {
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

/** `GET /apps/{id}/data/metadata`: the fields and the table of an app. */
export function metadataView(app: AnalyticsApp) {
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
  return {
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
  }
}
