import { readJson, send, sendJson, sendRedirect } from '../http/exchange.ts'
import { QlikError } from '../http/qlik-error.ts'
import type { RegionTenant } from '../tenant/resources.ts'
import { type Call, generalScopes, pathParameter, type Route } from './call.ts'

/** The tenant itself. */
export const tenantRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/v1/tenants/me',
    scopes: generalScopes,
    handle: async ({ state, exchange }) =>
      sendRedirect(exchange, state.settings.usersMeRedirectStatus, `/api/v1/tenants/${state.tenantId}`),
  },
  { method: 'GET', path: '/api/v1/tenants/{id}', scopes: generalScopes, handle: showTenant },
]

/** Tenant lifecycle, at the region host. */
export const regionRoutes: readonly Route[] = [
  { method: 'POST', path: '/api/v1/tenants', scopes: ['tenants:create'], handle: createTenant },
  {
    method: 'GET',
    path: '/api/v1/tenants/{id}',
    scopes: ['tenants:create', 'admin_classic'],
    handle: showRegionTenant,
  },
  {
    method: 'POST',
    path: '/api/v1/tenants/{id}/actions/deactivate',
    scopes: ['tenants:deactivate'],
    handle: call => setStatus(call, 'disabled'),
  },
  {
    method: 'POST',
    path: '/api/v1/tenants/{id}/actions/reactivate',
    scopes: ['tenants:reactivate'],
    handle: call => setStatus(call, 'active'),
  },
]

async function showTenant({ state, exchange, path }: Call) {
  if (path.id !== state.tenantId) throw tenantNotFound()
  await sendJson(exchange, 200, {
    id: state.tenantId,
    name: 'simulated-tenant',
    hostnames: [new URL(state.origin).host],
    status: 'active',
    datacenter: 'eu-west-1',
    created: '2026-01-12T08:00:00.000Z',
    links: { self: { href: `${state.origin}/api/v1/tenants/${state.tenantId}` } },
  })
}

async function createTenant({ state, exchange }: Call) {
  const { licenseKey, datacenter = 'eu-west-1', name = 'new-tenant' } = await readJson(exchange)
  if (typeof licenseKey !== 'string' || licenseKey === '')
    throw new QlikError(400, 'TENANTS-2', 'licenseKey is required')
  if (typeof datacenter !== 'string' || !Object.hasOwn(regionOfDatacenter, datacenter))
    throw new QlikError(400, 'TENANTS-3', 'Unknown datacenter')
  const itsRegion = regionOfDatacenter[datacenter]
  if (itsRegion !== region)
    throw new QlikError(400, 'TENANTS-3', 'Datacenter in another region', `${datacenter} is in region ${itsRegion}`)
  if (typeof name !== 'string') throw new QlikError(400, 'TENANTS-4', 'name must be a string')
  const tenant = await state.createTenant()
  const { id } = tenant
  state.resources.tenants.set(id, {
    ...tenant,
    name,
    status: 'active',
    datacenter,
    created: new Date(state.settings.now()).toISOString(),
  })
  await showTenantView(state.resources.tenants.get(id), exchange, 201)
}

async function showRegionTenant(call: Call) {
  await showTenantView(call.state.resources.tenants.get(pathParameter(call, 'id')), call.exchange, 200)
}

async function setStatus(call: Call, status: 'active' | 'disabled') {
  const tenant = call.state.resources.tenants.get(pathParameter(call, 'id'))
  if (tenant === undefined) throw tenantNotFound()
  call.state.resources.tenants.set(tenant.id, { ...tenant, status })
  tenant.setActive(status === 'active')
  if (status === 'disabled')
    await sendJson(call.exchange, 200, {
      id: tenant.id,
      status,
      estimatedPurgeDate: new Date(call.state.settings.now() + 2_592_000_000).toISOString(),
    })
  else await send(call.exchange, 204)
}

async function showTenantView(tenant: RegionTenant | undefined, exchange: Call['exchange'], status: number) {
  if (tenant === undefined) throw tenantNotFound()
  const { origin, setActive, ...shown } = tenant
  await sendJson(exchange, status, {
    ...shown,
    hostnames: [new URL(origin).host],
    links: { self: { href: `${origin}/api/v1/tenants/${tenant.id}` } },
  })
}

function tenantNotFound(): QlikError {
  return new QlikError(404, 'TENANTS-8', 'Tenant not found')
}

/** The region that the simulation stands for. */
const region = 'eu'

/** Regions of the data centers, from the description of Qlik's tenants API. */
const regionOfDatacenter: Readonly<Record<string, string>> = {
  'ap-northeast-1': 'jp',
  'ap-southeast-1': 'ap',
  'ap-southeast-2': 'sg',
  'eu-central-1': 'de',
  'eu-north-1': 'se',
  'eu-west-1': 'eu',
  'eu-west-2': 'uk',
  'us-east-1': 'us',
}
