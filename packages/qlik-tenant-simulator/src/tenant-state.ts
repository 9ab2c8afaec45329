import type { AnalyticsApp } from './apps/catalogue.ts'
import type { Client, ClientDirectory } from './client-registration.ts'
import type { AccessToken, TokenVault } from './oauth/token-vault.ts'
import type { Settings } from './options.ts'
import type { LoginSessions } from './pages/login-session.ts'
import type { Resources } from './rest/resources.ts'
import type { TenantUser, UserDirectory } from './tenant-user.ts'

export type Tier = 'tenant' | 'region' | 'organization'

/** What the endpoints of one host share. */
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
  /** Whether a client of its tier may use this host. */
  accepts(client: Client): boolean
  /** Whether this name was never given before; remembered until `expiresAt`. */
  firstUse(name: string, expiresAt: number): boolean
  /** A new guest, for one visit through an access code. */
  anonymousUser(): TenantUser
  /** Cuts the engine sockets that were opened with these tokens, where the tenant is set to do so. */
  closeSockets(tokens: readonly AccessToken[]): void
  /** False while the tenant is deactivated. */
  active(): boolean
  /** Creates a tenant in this region, at an origin of its own. */
  createTenant(): Promise<{ id: string; origin: string; setActive(active: boolean): void }>
}
