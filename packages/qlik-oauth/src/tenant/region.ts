import { QlikOAuthError } from '../protocol/errors.ts'
import { quoted } from '../protocol/tenant-origin.ts'

/**
 * Origin where organization clients get their tokens. Documented in Qlik's overview only; what it offers beyond tokens
 * is not.
 */
export const organizationOrigin = 'https://console.qlikcloud.com'

/** Origin where clients of a region get their tokens and manage the life cycle of tenants. */
export function registerOrigin(region: string): string {
  if (/^[a-z]{2,10}$/.test(region)) return `https://register.${region}.qlikcloud.com`
  throw new QlikOAuthError(
    'ERR_CONFIGURATION',
    `region must be a region of Qlik Cloud, such as "eu", got ${quoted(region)}.`,
  )
}

/**
 * The region of each data center that `createTenant` can name, as Qlik's reference lists them. It names none for the
 * region `se`, which exists.
 *
 * Not confirmed are the two of `ap-southeast`: the reference calls `ap` Australia and `sg` Singapore, but elsewhere
 * `ap-southeast-1` is in Singapore and `ap-southeast-2` in Australia.
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
