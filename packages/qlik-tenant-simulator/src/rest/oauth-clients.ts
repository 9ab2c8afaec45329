import { randomBytes } from 'node:crypto'
import type { JWK } from 'jose'
import { isObject, readJson, readJsonValue, send, sendJson } from '../http/exchange.ts'
import { QlikError } from '../http/qlik-error.ts'
import { appTypes, type Client, type ClientRegistration, newSecret, registrationProblem } from '../tenant/clients.ts'
import { badRequest, type Call, notFound, pathParameter, type Route, requireAdmin } from './call.ts'
import { sendPage } from './paging.ts'
import { matchesFilter } from './scim-filter.ts'

const base = '/api/v1/oauth-clients'

export const oauthClientRoutes: readonly Route[] = [
  { method: 'GET', path: base, scopes: ['admin_classic'], handle: listClients },
  { method: 'POST', path: base, scopes: ['admin_classic'], handle: createClient },
  {
    method: 'GET',
    path: `${base}/{id}`,
    scopes: ['admin_classic'],
    handle: async call => sendJson(call.exchange, 200, clientView(call, managed(call))),
  },
  { method: 'PATCH', path: `${base}/{id}`, scopes: ['admin_classic'], handle: patchClient },
  { method: 'DELETE', path: `${base}/{id}`, scopes: ['admin_classic'], handle: deleteClient },
  { method: 'POST', path: `${base}/{id}/actions/publish`, scopes: ['admin_classic'], handle: publishClient },
  { method: 'POST', path: `${base}/{id}/client-secrets`, scopes: ['admin_classic'], handle: addSecret },
  { method: 'DELETE', path: `${base}/{id}/client-secrets/{hint}`, scopes: ['admin_classic'], handle: removeSecret },
  { method: 'GET', path: `${base}/{id}/connection-configs/me`, scopes: ['admin_classic'], handle: showConnection },
  { method: 'PATCH', path: `${base}/{id}/connection-configs/me`, scopes: ['admin_classic'], handle: patchConnection },
  { method: 'DELETE', path: `${base}/{id}/connection-configs/me`, scopes: ['admin_classic'], handle: resetConnection },
]

/** A tenant does not list region and organization clients. */
function managedClients({ state }: Call): Client[] {
  return state.clients.all.filter(client => client.tier === 'tenant')
}

function managed(call: Call): Client {
  requireAdmin(call)
  const client = managedClients(call).find(({ clientId }) => clientId === pathParameter(call, 'id'))
  if (client === undefined) throw notFound('The OAuth client')
  return client
}

async function listClients(call: Call) {
  requireAdmin(call)
  const { searchParams } = call.exchange.url
  const filter = searchParams.get('filter')
  const [, sign, field = 'clientName'] =
    /^([+-]?)(clientName|clientId|appType|createdAt)$/.exec((searchParams.get('sort') ?? 'clientName').trim()) ?? []
  if (sign === undefined) throw badRequest('sort must be clientName, clientId, appType or createdAt')
  const views = managedClients(call).map(client => clientView(call, client))
  const found = views.filter(view => filter === null || matchesFilter(filter, view))
  found.sort((one, other) => String(one[field]).localeCompare(String(other[field])) * (sign === '-' ? -1 : 1))
  await sendPage(call.state, call.exchange, found)
}

async function createClient(call: Call) {
  requireAdmin(call)
  const body = await readJson(call.exchange)
  const unknown = Object.keys(body).find(name => !creatable.includes(name))
  if (unknown !== undefined) throw badRequest(`Unknown property ${JSON.stringify(unknown)}`)
  const { appType, clientName, connectionConfig } = body
  if (!appTypes.some(type => type === appType)) throw badRequest(`appType must be one of ${appTypes.join(', ')}`)
  if (typeof clientName !== 'string' || clientName === '') throw badRequest('clientName is required')
  if (connectionConfig !== undefined && (!isObject(connectionConfig) || connectionConfig.consentMethod !== 'trusted')) {
    throw badRequest('connectionConfig.consentMethod can only be "trusted" here')
  }
  if (managedClients(call).length >= clientLimit)
    throw new QlikError(409, 'HTTP-409', 'Conflict', `A tenant can have at most ${clientLimit} clients`)
  const registration = {
    ...fieldsOf(body),
    clientId: randomBytes(16).toString('hex'),
    appType: appType as ClientRegistration['appType'],
    clientName,
    ...(isObject(connectionConfig) ? { consentMethod: 'trusted' as const } : {}),
  }
  const problem = registrationProblem(registration)
  if (problem !== undefined) throw badRequest(problem)
  const client = call.state.clients.put({ ...call.state.clients.register(registration), ...displayFieldsOf(body) })
  const secret = client.secrets[0]?.value
  await sendJson(call.exchange, 201, {
    ...clientView(call, client),
    ...(secret === undefined ? {} : { clientSecret: secret }),
  })
}

async function patchClient(call: Call) {
  const client = managed(call)
  const patches = await readJsonValue(call.exchange)
  if (!Array.isArray(patches) || patches.length === 0) throw badRequest('The body must be a JSON Patch')
  let fields: Record<string, unknown> = { ...client }
  for (const patch of patches as unknown[]) fields = patched(fields, patch)
  const changed = {
    ...client,
    ...fieldsOf(fields),
    ...displayFieldsOf(fields),
    updatedAt: new Date(call.state.settings.now()).toISOString(),
  }
  const problem = registrationProblem(asRegistration(changed))
  if (problem !== undefined) throw badRequest(problem)

  // Allowing client_secret generates a secret, which only this response contains.
  const generated =
    changed.appType === 'web' && changed.allowedAuthMethods.includes('client_secret') && changed.secrets.length === 0
      ? newSecret()
      : undefined
  call.state.clients.put({ ...changed, secrets: generated === undefined ? changed.secrets : [generated] })
  if (generated === undefined) await send(call.exchange, 204)
  else await sendJson(call.exchange, 202, { clientSecret: generated.value })
}

async function deleteClient(call: Call) {
  const { clientId } = managed(call)
  const { clients, tokens, closeSockets } = call.state
  clients.remove(clientId)
  tokens.revokeRefreshTokens(token => token.clientId === clientId)
  closeSockets(tokens.revokeAccessTokens(token => token.clientId === clientId))
  await send(call.exchange, 204)
}

async function publishClient(call: Call) {
  const client = call.state.clients.put({ ...managed(call), published: true })
  await sendJson(call.exchange, 201, clientView(call, client))
}

async function addSecret(call: Call) {
  const client = managed(call)
  if (client.appType !== 'web') throw badRequest('Only web clients can have secrets')
  if (client.secrets.length >= 5)
    throw new QlikError(409, 'HTTP-409', 'Conflict', 'A client can have at most 5 secrets')
  const secret = newSecret()
  call.state.clients.put({ ...client, secrets: [...client.secrets, secret] })
  await sendJson(call.exchange, 201, {
    clientId: client.clientId,
    clientSecret: secret.value,
    hint: secret.hint,
    createdAt: secret.createdAt,
  })
}

async function removeSecret(call: Call) {
  const client = managed(call)
  const secrets = client.secrets.filter(({ hint }) => hint !== pathParameter(call, 'hint'))
  if (secrets.length === client.secrets.length) throw notFound('The secret')
  call.state.clients.put({ ...client, secrets })
  await send(call.exchange, 204)
}

async function showConnection(call: Call) {
  const { clientId, consentMethod } = managed(call)
  await sendJson(call.exchange, 200, { clientId, consentMethod, tenantId: call.state.tenantId })
}

async function patchConnection(call: Call) {
  const client = managed(call)
  const patches = await readJsonValue(call.exchange)
  const patch: unknown = Array.isArray(patches) && patches.length === 1 ? patches[0] : undefined
  const { op, path, value } = isObject(patch) ? patch : {}
  if (op !== 'replace' || path !== '/consentMethod' || (value !== 'required' && value !== 'trusted')) {
    throw badRequest('Expected [{"op":"replace","path":"/consentMethod","value":"required"|"trusted"}]')
  }
  call.state.clients.put({ ...client, consentMethod: value })
  await send(call.exchange, 204)
}

async function resetConnection(call: Call) {
  call.state.clients.put({ ...managed(call), consentMethod: 'required' })
  await send(call.exchange, 204)
}

function patched(fields: Record<string, unknown>, patch: unknown): Record<string, unknown> {
  const { op, path, value } = isObject(patch) ? patch : {}
  const [, name = '', index] = typeof path === 'string' ? (/^\/(\w+)(?:\/(\d+|-))?$/.exec(path) ?? []) : []
  if (!patchable.includes(name)) throw badRequest(`Cannot change ${JSON.stringify(path)}`)
  if (op !== 'add' && op !== 'remove' && op !== 'replace') throw badRequest('op must be add, remove or replace')
  if (index === undefined)
    return { ...fields, [name]: op === 'remove' ? (Array.isArray(fields[name]) ? [] : undefined) : value }
  const list = Array.isArray(fields[name]) ? [...(fields[name] as unknown[])] : []
  const at = index === '-' ? list.length : Number(index)
  if (at > list.length || (op !== 'add' && at >= list.length)) throw badRequest(`${path} does not exist`)
  if (op === 'add') list.splice(at, 0, value)
  else if (op === 'replace') list[at] = value
  else list.splice(at, 1)
  return { ...fields, [name]: list }
}

/** Reads the registration fields of a request. @throws QlikError 400 for a value of the wrong type */
function fieldsOf(fields: Record<string, unknown>) {
  const list = (name: string) => {
    const value = fields[name] ?? []
    if (!Array.isArray(value) || !value.every(entry => typeof entry === 'string'))
      throw badRequest(`${name} must be a list of strings`)
    return value as string[]
  }
  const keys = fields.publicKeys ?? []
  if (!Array.isArray(keys) || !keys.every(isObject)) throw badRequest('publicKeys must be a list of JWKs')
  const jwksUri = text(fields, 'jwksUri')
  const methods = fields.allowedAuthMethods === undefined ? ['client_secret'] : list('allowedAuthMethods')
  return {
    clientName: text(fields, 'clientName') ?? '',
    description: text(fields, 'description') ?? '',
    redirectUris: list('redirectUris'),
    allowedOrigins: list('allowedOrigins'),
    allowedScopes: fields.allowedScopes === undefined ? ['user_default'] : list('allowedScopes'),
    allowedGrantTypes: list('allowedGrantTypes') as ('client_credentials' | 'urn:qlik:oauth:user-impersonation')[],
    allowedAuthMethods: methods as ('client_secret' | 'private_key_jwt')[],
    publicKeys: keys as unknown as JWK[],
    ...(jwksUri === undefined ? {} : { jwksUri }),
  }
}

function displayFieldsOf(fields: Record<string, unknown>) {
  return { clientUri: text(fields, 'clientUri'), logoUri: text(fields, 'logoUri') }
}

function text(fields: Record<string, unknown>, name: string): string | undefined {
  const value = fields[name]
  if (value !== undefined && typeof value !== 'string') throw badRequest(`${name} must be a string`)
  return value
}

function asRegistration({ jwksUri, ...client }: Client): ClientRegistration {
  return { ...client, ...(jwksUri === undefined ? {} : { jwksUri }) }
}

/** A client as the API shows it, with the hints of its secrets only. */
function clientView({ state }: Call, client: Client): Record<string, unknown> {
  const { secrets, accessCodes, consentMethod, tier, published, ...shown } = client
  return {
    ...shown,
    tenantId: state.tenantId,
    createdByType: 'user',
    publishedAt: published ? client.updatedAt : undefined,
    clientSecrets: secrets.map(({ hint, createdAt }) => ({ hint, createdAt })),
    connectionConfig: { consentMethod },
    links: { self: { href: `${state.origin}${base}/${client.clientId}` } },
  }
}

const patchable = [
  'allowedOrigins',
  'clientName',
  'clientUri',
  'description',
  'logoUri',
  'redirectUris',
  'allowedScopes',
  'allowedGrantTypes',
  'publicKeys',
  'allowedAuthMethods',
  'jwksUri',
]
const creatable = [...patchable, 'appType', 'connectionConfig']
const clientLimit = 200
