import { invalidOption } from '../protocol/option-checks.ts'

/**
 * Origin at which organization clients request tokens. It is documented in Qlik's overview only, without an API beyond
 * tokens.
 */
export const organizationOrigin = 'https://console.qlikcloud.com'

/**
 * Origin of a region's register host, at which region clients request tokens and manage tenants.
 *
 * @param region Such as `eu`.
 * @throws ERR_CONFIGURATION
 */
export function regionOrigin(region: string): string {
  if (typeof region === 'string' && /^[a-z]{2,10}$/.test(region)) return `https://register.${region}.qlikcloud.com`
  throw invalidOption('region', 'a region of Qlik Cloud, such as "eu"', region)
}

/**
 * The region of each data center that `createTenant` accepts, from Qlik's reference, which lists none for the region
 * `se`.
 *
 * Not confirmed for `ap-southeast`: in Qlik's reference `ap` is Australia and `sg` Singapore; elsewhere
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

/** The region of a data center; `undefined` where it is not confirmed. */
export function confirmedRegionOf(dataCenter: string): string | undefined {
  return dataCenter.startsWith('ap-southeast-') || !Object.hasOwn(regionOfDataCenter, dataCenter)
    ? undefined
    : regionOfDataCenter[dataCenter]
}
