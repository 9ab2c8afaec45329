import {
  type ClientAuthenticationOptions,
  type QlikClient,
  type QlikClientSettings,
  qlikClient,
  regionDomain,
} from '../protocol/client.ts'
import { QlikOAuthError } from '../protocol/errors.ts'
import { configurationError, invalidOption, rejectUnknownOptions } from '../protocol/option-checks.ts'
import { tenantOrigin } from '../protocol/tenant-origin.ts'
import type { TokenCache } from '../tokens/cached-tokens.ts'
import { machineTokens } from '../tokens/machine-tokens.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import { confirmedRegionOf, regionOrigin } from './region.ts'
import { tenantApi } from './tenant-api.ts'

export type RegionClientOptions = RegionClientSettings & ClientAuthenticationOptions

interface RegionClientSettings extends Pick<QlikClientSettings, 'clientId' | 'timeoutMs' | 'outbound' | 'apiVersion'> {
  /** The region in which the client is registered, such as `eu`. */
  readonly region: string
  /** Shares the tokens between processes. */
  readonly store: TokenCache
  /** Origin of the register host, for the tenant simulator. @default `https://register.{region}.qlikcloud.com` */
  readonly registerOrigin?: string
}

/** A tenant of a region, as the register host returns it. */
export interface RegionTenant {
  readonly id: string
  /** Origin of the tenant, with the first of its host names. */
  readonly origin: string
  readonly hostnames: readonly string[]
  readonly status?: string
  readonly datacenter?: string
}

/** A client of a region. It creates, deactivates and reactivates tenants, and works inside them as an administrator. */
export interface RegionClient {
  /** The client at the register host. */
  readonly client: QlikClient
  /** Its tokens at the register host. */
  readonly tokens: TokenSource
  /**
   * @param options `datacenter` such as `eu-west-1`; see `regionOfDataCenter`.
   * @throws ERR_TIER for a data center of another region; the errors of `TenantApi.request`.
   */
  createTenant(options: {
    readonly licenseKey: string
    readonly datacenter?: string
    readonly signal?: AbortSignal
  }): Promise<RegionTenant>
  /** Qlik deletes a deactivated tenant after some time, unless it is reactivated. */
  deactivateTenant(tenantId: string): Promise<void>
  reactivateTenant(tenantId: string): Promise<void>
  /**
   * The same client inside one tenant, for `machineTokens`. The caller closes it.
   *
   * @throws ERR_TIER for a tenant of another region.
   */
  at(tenant: string): QlikClient
  /** Closes the connections to the register host; requests in progress fail. */
  close(): Promise<void>
}

/**
 * @throws ERR_CONFIGURATION for an invalid option and for a public client.
 * @example
 * const region = regionClient({ region: 'eu', clientId, clientSecret, store })
 * const { origin } = await region.createTenant({ licenseKey, datacenter: 'eu-west-1' })
 * const tokens = machineTokens({ client: region.at(origin), store })
 */
export function regionClient(options: RegionClientOptions): RegionClient {
  rejectUnknownOptions('regionClient', options, optionNames)
  const { region, store, registerOrigin = regionOrigin(region), ...credentials } = options
  regionOrigin(region)
  const client = qlikClient({ ...credentials, tenant: tenantOrigin(registerOrigin, 'registerOrigin'), tier: 'region' })
  const domain = regionDomain(client.tenant)
  const tokens = machineTokens({ client, store })
  const api = tenantApi({ tokens, ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }) })

  const changeStatus = async (tenantId: string, action: 'deactivate' | 'reactivate') => {
    if (!/^[\w-]+$/.test(tenantId)) throw invalidOption('tenantId', 'the id of a tenant', tenantId)
    await api.request({ method: 'POST', path: `/api/v1/tenants/${tenantId}/actions/${action}` })
  }

  return {
    client,
    tokens,
    async createTenant({ licenseKey, datacenter, signal }) {
      if (typeof licenseKey !== 'string' || licenseKey === '')
        throw configurationError('licenseKey must be the signed license key of the subscription.')
      const other = datacenter === undefined ? undefined : confirmedRegionOf(datacenter)
      if (other !== undefined && other !== region) {
        throw new QlikOAuthError(
          'ERR_TIER',
          `The data center ${datacenter} is in region ${other}, and this client is registered in ${region}: use a client of that region.`,
        )
      }
      const json = { licenseKey, ...(datacenter === undefined ? {} : { datacenter }) }
      return regionTenant(await api.json({ method: 'POST', path: '/api/v1/tenants', json, signal }), client.tenant)
    },
    deactivateTenant: tenantId => changeStatus(tenantId, 'deactivate'),
    reactivateTenant: tenantId => changeStatus(tenantId, 'reactivate'),
    at(tenant) {
      const inside = qlikClient({ ...credentials, tenant, tier: 'region' })
      const [name = '', ...rest] = new URL(inside.tenant).hostname.split('.')
      // The secret is sent to this host, so it must be a tenant of the region.
      if (domain === undefined || (rest.join('.') === domain && name !== 'register')) return inside
      throw new QlikOAuthError(
        'ERR_TIER',
        `${inside.tenant} is not a tenant of ${domain}, where this client is registered.`,
      )
    },
    async close() {
      await Promise.all([client.close(), api.close()])
    },
  }
}

const optionNames = [
  'region',
  'clientId',
  'clientSecret',
  'authentication',
  'store',
  'registerOrigin',
  'timeoutMs',
  'outbound',
  'apiVersion',
] as const satisfies readonly (keyof RegionClientOptions)[]

function regionTenant(json: Record<string, unknown>, registerHost: string): RegionTenant {
  const { id, hostnames, status, datacenter } = json
  const names = Array.isArray(hostnames) ? hostnames.filter(name => typeof name === 'string') : []
  const [first] = names
  if (typeof id !== 'string' || first === undefined)
    throw new QlikOAuthError('ERR_TENANT_RESPONSE', `${registerHost} returned a tenant without an id or host name`)
  return {
    id,
    origin: tenantOrigin(`${new URL(registerHost).protocol}//${first}`, 'hostname'),
    hostnames: names,
    ...(typeof status === 'string' ? { status } : {}),
    ...(typeof datacenter === 'string' ? { datacenter } : {}),
  }
}
