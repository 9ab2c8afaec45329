import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { analyticsApps } from './apps/catalogue.ts'
import { type AuthorizeOptions, authorizeAs } from './browser-login.ts'
import {
  type ClientDirectory,
  type ClientRegistration,
  clientDirectory,
  defaultClients,
  newSecret,
  registrationOf,
} from './client-registration.ts'
import { createEngine, type Engine } from './engine/engine.ts'
import { type FaultScript, type Faults, faultScript } from './faults.ts'
import { serve } from './http/serve.ts'
import { tokenVault } from './oauth/token-vault.ts'
import { type Settings, settle, type TenantOptions } from './options.ts'
import { loginSessions } from './pages/login-session.ts'
import { type RecordedRequest, type RequestLog, type RequestMatch, requestLog } from './request-log.ts'
import { maySeeApp } from './rest/apps.ts'
import { resources } from './rest/resources.ts'
import type { TenantState, Tier } from './tenant-state.ts'
import { defaultUsers, type TenantUser, type UserDirectory, userDirectory } from './tenant-user.ts'
import { upgrade } from './upgrade.ts'

/** A running tenant, with what tests need to see and to disturb. */
export interface SimulatedTenant {
  readonly origin: string
  /** Stands for `register.{region}.qlikcloud.com`: tokens and tenant lifecycle for region clients. */
  readonly regionOrigin: string
  /** Stands for `console.qlikcloud.com`: tokens for organization clients. */
  readonly organizationOrigin: string
  readonly tenantId: string
  readonly users: readonly TenantUser[]
  readonly clients: readonly ClientRegistration[]
  /** Tenants that region clients created here. */
  readonly createdTenants: readonly SimulatedTenant[]
  /** Every request and upgrade so far, oldest first. */
  readonly requests: readonly RecordedRequest[]
  readonly faults: Faults
  /** WebSockets that are open in the engine. */
  readonly openSockets: number
  tokenRequests(grantType?: string): RecordedRequest[]
  /** The first request that fits, be it recorded already or still to come. */
  waitForRequest(match: RequestMatch): Promise<RecordedRequest>
  /** Adds a client, or replaces the one with this id. @throws TypeError for what Qlik Cloud would refuse */
  registerClient(registration: ClientRegistration): ClientRegistration
  registerUser(user: TenantUser): TenantUser
  /**
   * Every access token, refresh token, code and client secret there ever was, to search for in places where none may
   * be.
   */
  issuedSecrets(): string[]
  expireAccessTokens(): void
  revokeAccessTokens(userId?: string): void
  revokeRefreshTokens(userId?: string): void
  /** Replaces the secrets of a client. @returns the new one */
  rotateClientSecret(clientId: string): string
  /**
   * Logs in as a user, as a browser would. See {@link AuthorizeOptions}.
   *
   * @returns the callback URL with its parameters
   */
  authorize(url: string, userId: string, options?: AuthorizeOptions): Promise<string>
  /** Ends all connections. */
  close(): Promise<void>
}

/**
 * Starts a simulated Qlik Cloud tenant on this machine.
 *
 * @throws RangeError or TypeError for an option it cannot use; the error of `listen` when the port is taken
 */
export async function createTenant(options: TenantOptions = {}): Promise<SimulatedTenant> {
  const settings = settle(options)
  return start(settings, {
    clients: [...defaultClients, ...(options.clients ?? [])],
    users: merged(defaultUsers, options.users ?? []),
    apps: options.apps ?? analyticsApps,
  })
}

interface Contents {
  readonly clients: readonly ClientRegistration[]
  readonly users: readonly TenantUser[]
  readonly apps: TenantState['apps'] | TenantOptions['apps']
}

/** What the hosts of one simulation share. */
interface Simulation {
  readonly settings: Settings
  readonly users: UserDirectory
  readonly clients: ClientDirectory
  readonly log: RequestLog
  readonly faults: FaultScript
}

interface Host {
  readonly state: TenantState
  readonly engine: Engine
  setActive(active: boolean): void
  close(): Promise<void>
}

/** The tenant that a host belongs to, for the region that created it. */
const hostOf = new WeakMap<SimulatedTenant, Host>()

async function start(settings: Settings, contents: Contents): Promise<SimulatedTenant> {
  const secrets = new Set<string>()
  const simulation: Simulation = {
    settings,
    users: userDirectory(contents.users),
    clients: clientDirectory(contents.clients, secret => secrets.add(secret)),
    log: requestLog(settings.rememberedRequests, settings.now),
    faults: faultScript(),
  }
  const { users, clients, log, faults } = simulation
  const createdTenants: SimulatedTenant[] = []
  const createChild = async () => {
    const regional = clients.all.filter(client => client.tier === 'region').map(registrationOf)
    const child = await start(
      { ...settings, port: 0, issuer: undefined },
      { clients: regional, users: defaultUsers, apps: [] },
    )
    createdTenants.push(child)
    return {
      id: child.tenantId,
      origin: child.origin,
      setActive: (active: boolean) => hostOf.get(child)?.setActive(active),
    }
  }

  const tenant = await listen(simulation, 'tenant', settings.port, [...(contents.apps ?? [])], createChild)
  const region = await listen(simulation, 'region', 0, [], createChild)
  const organization = await listen(simulation, 'organization', 0, [], createChild)
  const { tokens } = tenant.state

  const simulated: SimulatedTenant = {
    origin: tenant.state.origin,
    regionOrigin: region.state.origin,
    organizationOrigin: organization.state.origin,
    tenantId: tenant.state.tenantId,
    get users() {
      return users.all
    },
    get clients() {
      return clients.all.map(registrationOf)
    },
    createdTenants,
    requests: log.requests,
    faults,
    get openSockets() {
      return tenant.engine.openSockets
    },
    tokenRequests: grantType =>
      log.requests.filter(
        ({ method, path, body }) =>
          method === 'POST' &&
          path.startsWith('/oauth/token') &&
          (grantType === undefined || body?.grant_type === grantType),
      ),
    waitForRequest: match => log.waitFor(match),
    registerClient: registration => registrationOf(clients.register(registration)),
    registerUser: user => users.put(user),
    issuedSecrets: () => [
      ...new Set([
        ...secrets,
        ...[tenant, region, organization].flatMap(host => host.state.tokens.secrets()),
        ...createdTenants.flatMap(child => child.issuedSecrets()),
      ]),
    ],
    expireAccessTokens: () => tokens.expireAccessTokens(),
    revokeAccessTokens(userId) {
      tenant.state.closeSockets(tokens.revokeAccessTokens(token => userId === undefined || token.userId === userId))
    },
    revokeRefreshTokens: userId => tokens.revokeRefreshTokens(token => userId === undefined || token.userId === userId),
    rotateClientSecret(clientId) {
      const client = clients.find(clientId)
      if (client === undefined) throw new TypeError(`There is no client ${JSON.stringify(clientId)}`)
      const secret = newSecret()
      clients.put({ ...client, secrets: [secret] })
      return secret.value
    },
    authorize: (url, userId, how) => authorizeAs(tenant.state.origin, url, userId, how),
    async close() {
      faults.clear()
      await Promise.all([tenant, region, organization, ...createdTenants].map(one => one.close()))
    },
  }
  hostOf.set(simulated, tenant)
  return simulated
}

async function listen(
  { settings, users, clients, log, faults }: Simulation,
  tier: Tier,
  port: number,
  apps: TenantState['apps'],
  createChild: TenantState['createTenant'],
): Promise<Host> {
  let active = true
  const usedNames = new Map<string, number>()
  const engineSockets = new Map<Duplex, string>()
  const server = createServer({ keepAliveTimeout: 65_000 })
  const connections = new Set<Socket>()
  server.on('connection', socket => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  await listening(server, port, settings.host)
  const origin = `http://${settings.hostname}:${(server.address() as AddressInfo).port}`
  const issuer = settings.issuer ?? origin

  const state: TenantState = {
    tier,
    origin,
    issuer,
    tenantId: randomBytes(16).toString('base64url').replaceAll(/[-_]/g, 'q'),
    settings,
    users,
    clients,
    tokens: tokenVault(settings, () => issuer),
    sessions: loginSessions(() => `qlik-login-${new URL(origin).port}`, settings.now, settings.loginSeconds),
    resources: resources(),
    apps,
    accepts: client => (tier === 'tenant' ? client.tier !== 'organization' : client.tier === tier),
    firstUse(name, expiresAt) {
      for (const [used, until] of usedNames) if (until <= settings.now()) usedNames.delete(used)
      if (usedNames.has(name)) return false
      usedNames.set(name, expiresAt)
      return true
    },
    anonymousUser() {
      const id = `guest-${randomUUID()}`
      return users.put({ id, name: 'Guest', email: '', subject: `anonymous|${id}`, spaces: ['space-analytics'] })
    },
    closeSockets(revoked) {
      if (!settings.revokeClosesSockets) return
      const families = new Set(revoked.map(token => token.family))
      for (const [socket, family] of engineSockets) if (families.has(family)) socket.destroy()
    },
    active: () => active,
    createTenant: createChild,
  }

  const engine = createEngine({
    apps,
    mayOpen: ({ id }, app) => {
      const user = users.find(id)
      return user !== undefined && (maySeeApp(user, app) || (user.roles ?? []).includes('TenantAdmin'))
    },
  })
  const opened = (family: string, socket: Duplex) => {
    engineSockets.set(socket, family)
    socket.once('close', () => engineSockets.delete(socket))
  }
  server.on('request', (request, response) => void serve(state, log, faults, request, response))
  server.on(
    'upgrade',
    (request, socket, head) => void upgrade({ state, log, faults, engine, opened }, request, socket, head),
  )

  return {
    state,
    engine,
    setActive(value) {
      active = value
    },
    async close() {
      const closed = new Promise(resolve => server.close(resolve))
      await engine.close()
      for (const socket of connections) socket.destroy()
      await closed
    },
  }
}

async function listening(server: Server, port: number, host: string): Promise<void> {
  server.listen(port, host)
  await once(server, 'listening')
}

function merged(defaults: readonly TenantUser[], given: readonly TenantUser[]): TenantUser[] {
  return [...new Map([...defaults, ...given].map(user => [user.id, user])).values()]
}
