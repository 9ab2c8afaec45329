import { analyticsApps } from './apps/catalogue.ts'
import { type AuthorizeOptions, authorizeAs } from './controls/browser-login.ts'
import { type Faults, faultScript } from './controls/faults.ts'
import { type RecordedRequest, type RequestMatch, requestLog } from './controls/request-log.ts'
import { type Host, type HostContents, listen, type Simulation } from './server/host.ts'
import {
  type ClientRegistration,
  clientDirectory,
  newSecret,
  type RegionDirectories,
  registrationOf,
} from './tenant/clients.ts'
import { defaultClients, defaultSpaces, defaultUsers } from './tenant/defaults.ts'
import { type Settings, settle, type TenantOptions } from './tenant/options.ts'
import { type TenantUser, userDirectory } from './tenant/users.ts'

/** A running tenant: where it listens, what it recorded, and how a test changes it. */
export interface SimulatedTenant {
  /** Origin of the tenant, such as `http://localhost:4000`. */
  readonly origin: string
  /** Stands for `https://register.{region}.qlikcloud.com`: tokens and tenant lifecycle for region clients. */
  readonly regionOrigin: string
  /** Stands for `https://console.qlikcloud.com`: tokens for organization clients. */
  readonly organizationOrigin: string
  readonly tenantId: string
  readonly users: readonly TenantUser[]
  readonly clients: readonly ClientRegistration[]
  /** Tenants created by region clients. */
  readonly createdTenants: readonly SimulatedTenant[]
  /** Requests and upgrades at all three hosts, oldest first. See `rememberedRequests`. */
  readonly requests: readonly RecordedRequest[]
  /** Injects faults into requests. */
  readonly faults: Faults
  /** Number of open engine WebSockets. */
  readonly openSockets: number
  /** Recorded requests to the token endpoint, optionally of one grant type. */
  tokenRequests(grantType?: string): RecordedRequest[]
  /** Resolves with the first matching request, which may already be recorded. */
  waitForRequest(match: RequestMatch): Promise<RecordedRequest>
  /** Adds a client or replaces the one with the same id. @throws TypeError for an invalid registration */
  registerClient(registration: ClientRegistration): ClientRegistration
  /** Adds a user or replaces the one with the same id. */
  registerUser(user: TenantUser): TenantUser
  /**
   * Disables or enables a user. A disabled user is refused everywhere: at the login page, and with a 403 by the token
   * endpoint, the REST API and the engine.
   *
   * @param tokens - Whether the tenant also revokes the user's tokens, as it does when an administrator disables a user
   *   through the REST API. @default 'keep'
   * @throws TypeError for an unknown user
   */
  setUserStatus(userId: string, status: 'active' | 'disabled', tokens?: 'keep' | 'revoke'): void
  /** Every access token, refresh token, code and client secret ever issued. Search your logs and responses for them. */
  issuedSecrets(): string[]
  /** Makes all access tokens expire now. */
  expireAccessTokens(): void
  /** Revokes the access tokens of one user or of all users. */
  revokeAccessTokens(userId?: string): void
  /** Revokes the refresh tokens of one user or of all users. */
  revokeRefreshTokens(userId?: string): void
  /** Replaces all secrets of a client by a new one. @returns the new secret @throws TypeError for an unknown client */
  rotateClientSecret(clientId: string): string
  /**
   * Sends an authorization request as a browser would: logs in as the user and gives consent.
   *
   * @param url - Authorization request URL, as the application redirects to it.
   * @returns the callback URL with its parameters
   * @throws Error with the tenant's response, when the tenant does not redirect to the application
   */
  authorize(url: string, userId: string, options?: AuthorizeOptions): Promise<string>
  /** Closes the servers and all connections. */
  close(): Promise<void>
}

/**
 * Starts a simulated Qlik Cloud tenant.
 *
 * @throws RangeError or TypeError for an invalid option
 * @throws the system error of `listen`, such as `EADDRINUSE`
 */
export async function createTenant(options: TenantOptions = {}): Promise<SimulatedTenant> {
  const settings = settle(options)
  return start(settings, {
    clients: [...defaultClients, ...(options.clients ?? [])],
    users: merged(defaultUsers, options.users ?? []),
    apps: options.apps ?? analyticsApps,
    spaces: defaultSpaces,
  })
}

/** What a new tenant contains. */
interface Contents extends HostContents {
  readonly clients: readonly ClientRegistration[]
  readonly users: readonly TenantUser[]
}

/** The host of each tenant; the region deactivates the tenants it created through it. */
const hostOf = new WeakMap<SimulatedTenant, Host>()

async function start(
  settings: Settings,
  contents: Contents,
  region: RegionDirectories = new Set(),
): Promise<SimulatedTenant> {
  const secrets = new Set<string>()
  const simulation: Simulation = {
    settings,
    users: userDirectory(contents.users),
    clients: clientDirectory(contents.clients, secret => secrets.add(secret), region),
    log: requestLog(settings.rememberedRequests, settings.now),
    faults: faultScript(),
  }
  const { users, clients, log, faults } = simulation
  const createdTenants: SimulatedTenant[] = []
  const createChild = async () => {
    const regional = clients.all.filter(client => client.tier === 'region').map(registrationOf)
    const child = await start(
      { ...settings, port: 0, regionPort: 0, issuer: undefined },
      { clients: regional, users: [], apps: [], spaces: [] },
      region,
    )
    createdTenants.push(child)
    return {
      id: child.tenantId,
      origin: child.origin,
      setActive: (active: boolean) => hostOf.get(child)?.setActive(active),
    }
  }

  const tenant = await listen(simulation, 'tenant', settings.port, contents, createChild)
  const empty = { apps: [], spaces: [] }
  const regionHost = await listen(simulation, 'region', settings.regionPort, empty, createChild)
  const organization = await listen(simulation, 'organization', 0, empty, createChild)
  const { tokens } = tenant.state

  const simulated: SimulatedTenant = {
    origin: tenant.state.origin,
    regionOrigin: regionHost.state.origin,
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
    setUserStatus(userId, status, tokensThen = 'keep') {
      const user = users.find(userId)
      if (user === undefined) throw new TypeError(`Unknown user ${JSON.stringify(userId)}`)
      users.put({ ...user, status })
      if (tokensThen === 'keep') return
      tokens.revokeRefreshTokens(token => token.userId === userId)
      tenant.state.closeSockets(tokens.revokeAccessTokens(token => token.userId === userId))
    },
    issuedSecrets: () => [
      ...new Set([
        ...secrets,
        ...[tenant, regionHost, organization].flatMap(host => host.state.tokens.secrets()),
        ...createdTenants.flatMap(child => child.issuedSecrets()),
      ]),
    ],
    expireAccessTokens: () => tokens.expireAccessTokens(),
    revokeAccessTokens(userId) {
      tenant.state.closeSockets(tokens.revokeAccessTokens(token => userId === undefined || token.userId === userId))
    },
    revokeRefreshTokens: userId => tokens.revokeRefreshTokens(token => userId === undefined || token.userId === userId),
    rotateClientSecret(clientId) {
      const client = clients.all.find(candidate => candidate.clientId === clientId)
      if (client === undefined) throw new TypeError(`Unknown client ${JSON.stringify(clientId)}`)
      const secret = newSecret()
      clients.put({ ...client, secrets: [secret] })
      return secret.value
    },
    authorize: (url, userId, how) => authorizeAs(tenant.state.origin, url, userId, how),
    async close() {
      faults.clear()
      await Promise.all([tenant, regionHost, organization, ...createdTenants].map(one => one.close()))
    },
  }
  hostOf.set(simulated, tenant)
  return simulated
}

function merged(defaults: readonly TenantUser[], additional: readonly TenantUser[]): TenantUser[] {
  return [...new Map([...defaults, ...additional].map(user => [user.id, user])).values()]
}
