import { QlikOAuthError } from './errors.ts'

/**
 * Where a client is registered, which decides what it may do: a `tenant` client everything inside its tenant; a
 * `region` client the life cycle of tenants, and machine-to-machine work inside them; an `organization` client
 * machine-to-machine work at Qlik's console.
 */
export type Tier = 'tenant' | 'region' | 'organization'

/**
 * Reads the tier from the host: `register.{region}` is a region's, `console` the organization's, every other one a
 * tenant's.
 */
export function tierOf(origin: string): Tier {
  const { hostname } = new URL(origin)
  if (regionDomain(origin) !== undefined) return 'region'
  return hostname === 'console.qlikcloud.com' ? 'organization' : 'tenant'
}

/**
 * The domain below which a region has its tenants, such as `eu.qlikcloud.com`; `undefined` for a host that is no
 * region's. Qlik's clients know `qlikcloudgov.com` as well; that it has region clients is not confirmed.
 */
export function regionDomain(origin: string): string | undefined {
  return /^register\.([a-z]+\.(?:qlikcloud|qlikcloudgov)\.com)$/.exec(new URL(origin).hostname)?.[1]
}

/**
 * Refuses what a client of this tier cannot do, before the tenant does so in fewer words.
 *
 * @param operation As in "A region client cannot …".
 * @throws ERR_TIER
 */
export function requireTier(
  client: { readonly tier: Tier; readonly tenant: string },
  tier: Tier,
  operation: string,
): void {
  if (client.tier === tier) return
  throw new QlikOAuthError(
    'ERR_TIER',
    `${article(client.tier)} client (${client.tenant}) cannot ${operation}: that takes ${article(tier).toLowerCase()} client.`,
  )
}

function article(tier: Tier): string {
  return tier === 'organization' ? 'An organization' : `A ${tier}`
}
