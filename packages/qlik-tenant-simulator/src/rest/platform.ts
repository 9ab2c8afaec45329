import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { isObject, readJson, sendJson } from '../http/exchange.ts'
import { QlikError } from '../http/qlik-error.ts'
import type { Space } from '../tenant/resources.ts'
import { readScopes } from './apps.ts'
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

/** Spaces and the smaller resources that applications and Qlik's clients read. */
export const platformRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/v1/spaces', scopes: spaceReadScopes, handle: listSpaces },
  { method: 'POST', path: '/api/v1/spaces', scopes: spaceWriteScopes, handle: createSpace },
  { method: 'GET', path: '/api/v1/spaces/{id}', scopes: spaceReadScopes, handle: showSpace },
  {
    method: 'GET',
    path: '/api/v1/reloads',
    scopes: readScopes,
    handle: ({ state, exchange }) => sendPage(state, exchange, []),
  },
  {
    method: 'GET',
    path: '/api/v1/collections',
    scopes: generalScopes,
    handle: ({ state, exchange }) => sendPage(state, exchange, []),
  },
  { method: 'GET', path: '/api/v1/licenses/overview', scopes: generalScopes, handle: licenceOverview },
  { method: 'GET', path: '/api/v1/boot/core-init', scopes: 'any', handle: coreInit },
  { method: 'GET', path: '/api/v1/features', scopes: 'any', handle: ({ exchange }) => sendJson(exchange, 200, {}) },
  {
    method: 'GET',
    path: '/api/v1/user-locale',
    scopes: 'any',
    handle: ({ exchange }) => sendJson(exchange, 200, { locale: 'en', preferredLocale: 'en' }),
  },
  { method: 'GET', path: '/api/v1/csrf-token', scopes: 'any', handle: csrfToken },
  {
    method: 'POST',
    path: '/api/v1/assistants/{id}/threads/{thread}/actions/stream',
    scopes: generalScopes,
    handle: streamResponse,
  },
]

function visibleSpaces(call: Call): Space[] {
  const all = [...call.state.resources.spaces.values()]
  return isAdmin(call, 'admin.spaces')
    ? all
    : all.filter(({ id, ownerId }) => (call.user.spaces ?? []).includes(id) || ownerId === call.user.id)
}

async function listSpaces(call: Call) {
  const name = call.exchange.url.searchParams.get('name')
  const found = visibleSpaces(call).filter(space => name === null || space.name === name)
  await sendPage(call.state, call.exchange, found, space => spaceView(call, space))
}

async function showSpace(call: Call) {
  const space = visibleSpaces(call).find(({ id }) => id === pathParameter(call, 'id'))
  if (space === undefined) throw notFound('The space')
  await sendJson(call.exchange, 200, spaceView(call, space))
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

async function licenceOverview({ exchange }: Call) {
  await sendJson(exchange, 200, {
    licenseKey: '0000-0000-0000-0000',
    licenseType: 'Signed',
    valid: '2026-01-01/2099-12-31',
    status: 'Ok',
    product: 'Qlik Sense',
    trial: false,
    allotments: [{ name: 'professional', units: 10, unitsUsed: 3, overage: 0 }],
  })
}

async function coreInit({ state, exchange, user }: Call) {
  await sendJson(exchange, 200, { tenantId: state.tenantId, userId: user.id, features: {}, locale: 'en' })
}

/** Requests with a bearer token need no CSRF token. */
async function csrfToken(): Promise<void> {
  throw new QlikError(
    400,
    'CSRF-TOKEN-4',
    'CSRF token not applicable',
    'Bearer authentication does not use CSRF tokens',
  )
}

/** Streams the words of the prompt as server-sent events. */
async function streamResponse({ state, exchange }: Call) {
  const { input } = await readJson(exchange)
  const prompt = isObject(input) && typeof input.prompt === 'string' ? input.prompt : ''
  const words = prompt.split(/\s+/).filter(Boolean)
  if (words.length === 0) throw badRequest('input.prompt is required')
  if (exchange.injectFault !== undefined && (await exchange.injectFault())) return
  const { response } = exchange
  response.writeHead(200, { ...exchange.headers, 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  for (const [index, word] of words.entries()) {
    if (response.destroyed) return
    response.write(`id: ${index}\nevent: token\ndata: ${JSON.stringify({ output: word })}\n\n`)
    const pause = new AbortController()
    const timer = setTimeout(() => pause.abort(), state.settings.streamIntervalMs)
    await once(response, 'close', { signal: pause.signal }).catch(() => undefined)
    clearTimeout(timer)
  }
  response.end('event: end\ndata: {}\n\n')
}

/** `GET /resources/autogenerated/product-info.json`: Qlik's clients distinguish Qlik Cloud from Windows by it. */
export const productInfo = {
  composition: {
    contentHash: '0',
    senseId: 'qliksense-cloud',
    originalClassName: 'Composition',
    deploymentType: 'QlikSenseCloud',
    releaseLabel: 'Simulated',
    productName: 'Qlik Cloud',
    copyrightYearRange: '2026',
    version: '0.0.0',
    externalUrls: {},
    provisioningInformation: {},
  },
}
