import { configurationError, invalidOption } from './option-checks.ts'
import { type Outbound, outbound } from './outbound/outbound.ts'
import type { OutboundOptions } from './outbound/outbound-options.ts'
import { tenantOrigin } from './tenant-origin.ts'

/** The names of a tenant, and the way to it. */
export interface TenantHost {
  /** The origin to which requests, and with them tokens, are sent. */
  readonly origin: string
  /** Other origins of the same tenant. */
  readonly aliases: readonly string[]
  readonly outbound: Outbound
  /** Equal for hosts that can share connections. */
  readonly key: string
}

export interface TenantHostOptions {
  readonly aliases?: readonly string[]
  readonly outbound?: OutboundOptions
}

/**
 * @param tenant Origin of the tenant.
 * @throws ERR_CONFIGURATION
 */
export function tenantHost(tenant: string, options: TenantHostOptions = {}): TenantHost {
  const origin = tenantOrigin(tenant)
  const { aliases: otherOrigins = [], outbound: outboundOptions = {} } = options
  const aliases = aliasOrigins(otherOrigins, origin)
  const way = outbound(outboundOptions, origin)
  return { origin, aliases, outbound: way, key: [origin, ...aliases, way.key].join(' ') }
}

function aliasOrigins(aliases: unknown, origin: string): readonly string[] {
  if (!Array.isArray(aliases))
    throw invalidOption('aliases', 'a list of origins, such as ["https://acme.eu.qlikcloud.com"]', aliases)
  const origins = aliases.map((alias, index) => tenantOrigin(alias, `aliases[${index}]`))
  if (origins.includes(origin)) throw configurationError(`aliases must not contain the tenant itself, ${origin}.`)
  return [...new Set(origins)].sort()
}

/**
 * The origin of a URL that the tenant or a browser sent, for a message.
 *
 * @returns Without user name, path and query, and at most 80 characters; "no URL" for anything else.
 */
export function originOf(url: unknown): string {
  if (typeof url !== 'string' || !URL.canParse(url)) return 'no URL'
  const { origin } = new URL(url)
  return origin === 'null' || origin.length > 80 ? 'no URL' : origin
}
