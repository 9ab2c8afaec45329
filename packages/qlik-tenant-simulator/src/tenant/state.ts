import type { AnalyticsApp } from '../apps/catalogue.ts'
import type { Client, ClientDirectory } from './clients.ts'
import type { LoginSessions } from './login-sessions.ts'
import type { Settings } from './options.ts'
import type { Resources } from './resources.ts'
import type { AccessToken, TokenVault } from './tokens.ts'
import type { TenantUser, UserDirectory } from './users.ts'

/** What a host stands for. */
export type Tier = 'tenant' | 'region' | 'organization'

/** The state of one host, shared by its endpoints. */
export interface TenantState {
  readonly tier: Tier
  readonly origin: string
  readonly issuer: string
  readonly tenantId: string
  readonly settings: Settings
  readonly users: UserDirectory
  readonly clients: ClientDirectory
  readonly tokens: TokenVault
  readonly sessions: LoginSessions
  readonly resources: Resources
  readonly apps: AnalyticsApp[]
  /** Whether the client can get tokens at this host. */
  accepts(client: Client): boolean
  /** Whether the name is used for the first time; remembers it until `expiresAt`, in milliseconds since the epoch. */
  firstUse(name: string, expiresAt: number): boolean
  /** Creates a guest user for one visit with an access code. */
  anonymousUser(): TenantUser
  /** Closes the engine sockets opened with these tokens, if `revokeClosesSockets` is set. */
  closeSockets(tokens: readonly AccessToken[]): void
  /** False while the tenant is deactivated. */
  active(): boolean
  /** Creates a tenant in this region. It listens on its own port. */
  createTenant(): Promise<{ id: string; origin: string; setActive(active: boolean): void }>
}
