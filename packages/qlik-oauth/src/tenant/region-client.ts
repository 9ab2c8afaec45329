import { type QlikClient, type QlikClientOptions, qlikClient } from '../protocol/client.ts'
import { QlikOAuthError } from '../protocol/errors.ts'
import { quoted, tenantOrigin } from '../protocol/tenant-origin.ts'
import { regionDomain } from '../protocol/tier.ts'
import type { LoginStore } from '../stores/login-store.ts'
import { machineTokens } from '../tokens/machine-tokens.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import { knownRegionOf, registerOrigin as registerOriginOf } from './region.ts'
import { tenantApi } from './tenant-api.ts'

export interface RegionClientOptions
  extends Pick<QlikClientOptions, 'clientId' | 'clientSecret' | 'authentication' | 'timeoutMs'> {
  /** The region that the client was created in, such as `eu`. */
  readonly region: string
  /** Shares the tokens between processes. */
  readonly store: LoginStore
  /**
   * Where the life of tenants is managed, when it is elsewhere: at the tenant simulator.
   *
   * @default `https://register.{region}.qlikcloud.com`
   */
  readonly registerOrigin?: string
}

export interface Tenant {
  readonly id: string
  /** Where the tenant is reached: the first of its host names. */
  readonly origin: string
  readonly hostnames: readonly string[]
  readonly status?: string
  readonly datacenter?: string
}

/**
 * A client of a region: it creates, deactivates and reactivates tenants, and works inside them as their administrator.
 */
export interface RegionClient {
  /** The client at the register host. */
  readonly client: QlikClient
  /** Its tokens there. */
  readonly tokens: TokenSource
  createTenant(options: {
    readonly licenseKey: string
    readonly datacenter?: string
    readonly signal?: AbortSignal
  }): Promise<Tenant>
  /** The tenant is deleted after a while, unless it is reactivated. */
  deactivateTenant(tenantId: string): Promise<void>
  reactivateTenant(tenantId: string): Promise<void>
  /**
   * The same client inside one tenant, for `machineTokens`. Close it when done.
   *
   * @throws ERR_TIER for a tenant of another region.
   */
  at(tenant: string): QlikClient
}

/**
 * @throws ERR_CONFIGURATION
 * @example
 * const region = regionClient({ region: 'eu', clientId, clientSecret, store })
 * const { origin } = await region.createTenant({ licenseKey, datacenter: 'eu-west-1' })
 * const tokens = machineTokens({ client: region.at(origin), store })
 */
export function regionClient(options: RegionClientOptions): RegionClient {
  const { region, store, registerOrigin: origin = registerOriginOf(region), ...credentials } = options
  const registered = qlikClient({ ...credentials, tenant: tenantOrigin(origin, 'registerOrigin'), tier: 'region' })
  const domain = regionDomain(registered.tenant)
  const tokens = machineTokens({ client: registered, store })
  const api = tenantApi({ tokens, ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }) })

  const act = async (tenantId: string, action: 'deactivate' | 'reactivate') => {
    if (!/^[\w-]+$/.test(tenantId))
      throw new QlikOAuthError('ERR_CONFIGURATION', `tenantId must be the id of a tenant, got ${quoted(tenantId)}.`)
    await api.request({ method: 'POST', path: `/api/v1/tenants/${tenantId}/actions/${action}` })
  }

  return {
    client: registered,
    tokens,
    async createTenant({ licenseKey, datacenter, signal }) {
      if (typeof licenseKey !== 'string' || licenseKey === '') {
        throw new QlikOAuthError('ERR_CONFIGURATION', 'licenseKey must be the signed license key of the subscription.')
      }
      const other = datacenter === undefined ? undefined : knownRegionOf(datacenter)
      if (other !== undefined && other !== region) {
        throw new QlikOAuthError(
          'ERR_TIER',
          `The data center ${datacenter} is in region ${other}; this client is registered in ${region}. Each region has clients of its own.`,
        )
      }
      const json = { licenseKey, ...(datacenter === undefined ? {} : { datacenter }) }
      return tenantOf(await api.json({ method: 'POST', path: '/api/v1/tenants', json, signal }), registered.tenant)
    },
    deactivateTenant: tenantId => act(tenantId, 'deactivate'),
    reactivateTenant: tenantId => act(tenantId, 'reactivate'),
    at(tenant) {
      const inside = qlikClient({ ...credentials, tenant, tier: 'region' })
      const [name = '', ...rest] = new URL(inside.tenant).hostname.split('.')
      // The secret goes where this points, so a host of another region is a mistake worth stopping.
      if (domain !== undefined && (rest.join('.') !== domain || name === 'register')) {
        throw new QlikOAuthError(
          'ERR_TIER',
          `${inside.tenant} is not a tenant of ${domain}, where this client is registered.`,
        )
      }
      return inside
    },
  }
}

function tenantOf(json: Record<string, unknown>, registered: string): Tenant {
  const { id, hostnames, status, datacenter } = json
  const names = Array.isArray(hostnames) ? hostnames.filter(name => typeof name === 'string') : []
  const [first] = names
  if (typeof id !== 'string' || first === undefined) {
    throw new QlikOAuthError('ERR_TENANT_RESPONSE', `${registered} answered with a tenant that has no id or host name`)
  }
  return {
    id,
    origin: tenantOrigin(`${new URL(registered).protocol}//${first}`, 'hostname'),
    hostnames: names,
    ...(typeof status === 'string' ? { status } : {}),
    ...(typeof datacenter === 'string' ? { datacenter } : {}),
  }
}
