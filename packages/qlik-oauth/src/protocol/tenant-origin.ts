import ipaddr from 'ipaddr.js'
import { configurationError, invalidOption, quoted } from './option-checks.ts'

/**
 * Checks the origin of a Qlik Cloud host, such as `https://acme.eu.qlikcloud.com`.
 *
 * `http:` is accepted on loopback only, where the tenant simulator listens.
 *
 * @param name The option that messages name. @default 'tenant'
 * @returns The origin, without a trailing slash.
 * @throws ERR_CONFIGURATION
 */
export function tenantOrigin(value: unknown, name = 'tenant'): string {
  const expected = 'the origin of a Qlik Cloud tenant, such as "https://acme.eu.qlikcloud.com"'
  const invalid = (hint: string) => configurationError(`${name} must be ${expected}, got ${quoted(value)}. ${hint}`)
  if (typeof value !== 'string' || value === '') throw invalidOption(name, expected, value)
  if (!URL.canParse(value) || !/^https?:\/\//i.test(value))
    throw invalid(`Did you mean "https://${value.replace(/^[^a-z0-9]+/i, '')}"?`)

  const url = new URL(value)
  if (url.username !== '' || url.password !== '')
    throw configurationError(`${name} must be ${expected}, without a user name or password.`)
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') throw invalid(`Did you mean "${url.origin}"?`)
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    throw invalid('Tokens are sent over https only; http is accepted on loopback.')
  return url.origin
}

/**
 * Whether a host name refers to this machine: a loopback address, `localhost` or a name below it (RFC 6761, section
 * 6.3).
 *
 * @param hostname As the URL standard serializes it, with IPv6 addresses in brackets.
 */
export function isLoopback(hostname: string): boolean {
  if (hostname === 'localhost' || hostname.endsWith('.localhost')) return true
  const address = hostname.replace(/^\[(.*)\]$/, '$1')
  // ipaddr.js also reads shorthands such as `127.1`, which the URL standard never serializes.
  const valid = ipaddr.IPv4.isValidFourPartDecimal(address) || ipaddr.IPv6.isValid(address)
  return valid && ipaddr.process(address).range() === 'loopback'
}

/**
 * Resolves a reference that the tenant sent (`Location`, the link to the next page). An access token is never sent to
 * another origin.
 *
 * @param base Path that relative references are resolved against.
 * @param aliases Other origins of the tenant: the path of such a URL is a path on the tenant.
 * @returns Path and query on the tenant; `undefined` for another origin and for an invalid URL.
 */
export function pathOnTenant(
  reference: unknown,
  tenant: string,
  base = '/',
  aliases: readonly string[] = [],
): string | undefined {
  if (typeof reference !== 'string' || !URL.canParse(reference, tenant + base)) return undefined
  const url = new URL(reference, tenant + base)
  return url.origin === tenant || aliases.includes(url.origin) ? url.pathname + url.search : undefined
}
