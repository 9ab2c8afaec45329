import type { Client } from './client.ts'
import { QlikOAuthError } from './errors.ts'
import { given } from './tenant-origin.ts'

/**
 * Where a client is registered, which decides what it may do: a `tenant` client everything inside its tenant; a `region` client the life cycle of
 * tenants, and machine-to-machine work inside them; an `organization` client machine-to-machine work at Qlik's console.
 */
export type Tier = 'tenant' | 'region' | 'organization'

/** Reads the tier from the host: `register.{region}` is a region's, `console` the organization's, every other one a tenant's. */
export function tierOf(origin: string): Tier {
  const { hostname } = new URL(origin)
  if (regionDomain(origin) !== undefined) return 'region'
  return hostname === 'console.qlikcloud.com' ? 'organization' : 'tenant'
}

/**
 * The domain below which a region has its tenants, such as `eu.qlikcloud.com`; `undefined` for a host that is no region's. Qlik's clients know
 * `qlikcloudgov.com` as well; that it has region clients is not confirmed.
 */
export function regionDomain(origin: string): string | undefined {
  return /^register\.([a-z]+\.(?:qlikcloud|qlikcloudgov)\.com)$/.exec(new URL(origin).hostname)?.[1]
}

/** Origin where organization clients get their tokens. Documented in Qlik's overview only; what it offers beyond tokens is not. */
export const organizationOrigin = 'https://console.qlikcloud.com'

/** Origin where clients of a region get their tokens and manage the life cycle of tenants. */
export function registerOrigin(region: string): string {
  if (/^[a-z]{2,10}$/.test(region)) return `https://register.${region}.qlikcloud.com`
  throw new QlikOAuthError('ERR_CONFIGURATION', `region must be a region of Qlik Cloud, such as "eu", got ${given(region)}.`)
}

/**
 * The region of each data center that `createTenant` can name, as Qlik's reference lists them. It names none for the region `se`, which exists.
 *
 * Not confirmed are the two of `ap-southeast`: the reference calls `ap` Australia and `sg` Singapore, but elsewhere `ap-southeast-1` is in Singapore
 * and `ap-southeast-2` in Australia.
 */
export const regionOfDataCenter: Readonly<Record<string, string>> = {
  'ap-northeast-1': 'jp',
  'ap-southeast-1': 'ap',
  'ap-southeast-2': 'sg',
  'eu-central-1': 'de',
  'eu-west-1': 'eu',
  'eu-west-2': 'uk',
  'us-east-1': 'us',
}

/** The region of a data center, where that is beyond doubt. */
export function knownRegionOf(datacenter: string): string | undefined {
  return datacenter.startsWith('ap-southeast-') || !Object.hasOwn(regionOfDataCenter, datacenter)
    ? undefined
    : regionOfDataCenter[datacenter]
}

/**
 * Refuses what a client of this tier cannot do, before the tenant does so in fewer words.
 *
 * @param deed As in "A region client cannot …".
 * @throws ERR_TIER
 */
export function requireTier(client: Pick<Client, 'tier' | 'tenant'>, tier: Tier, deed: string): void {
  if (client.tier === tier) return
  throw new QlikOAuthError(
    'ERR_TIER',
    `${article(client.tier)} client (${client.tenant}) cannot ${deed}: that takes ${article(tier).toLowerCase()} client.`,
  )
}

function article(tier: Tier): string {
  return tier === 'organization' ? 'An organization' : `A ${tier}`
}
