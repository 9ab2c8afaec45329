import ipaddr from 'ipaddr.js'
import { isLoopback } from '../tenant-origin.ts'
import { proxyUrl } from './proxy-url.ts'

/**
 * The proxy that the environment names for a tenant: `HTTPS_PROXY`, or else `HTTP_PROXY`, unless `NO_PROXY` lists the
 * host. In lower case the variables take precedence, and an empty one names no proxy. A host on loopback has none.
 *
 * @throws ERR_CONFIGURATION when the variable that applies is no URL of an HTTP proxy.
 */
export function environmentProxy(tenant: string, environment: NodeJS.ProcessEnv): URL | undefined {
  const { protocol, hostname, port } = new URL(tenant)
  if (isLoopback(hostname)) return undefined
  const names = protocol === 'https:' ? ['https_proxy', 'HTTPS_PROXY'] : []
  const name = [...names, 'http_proxy', 'HTTP_PROXY'].find(variable => environment[variable] !== undefined)
  const value = name === undefined ? '' : environment[name]?.trim()
  if (name === undefined || value === undefined || value === '') return undefined
  const defaultPort = protocol === 'https:' ? 443 : 80
  const exceptions = environment.no_proxy ?? environment.NO_PROXY ?? ''
  if (isListed(exceptions, hostname, port === '' ? defaultPort : Number(port))) return undefined
  return proxyUrl(name, value)
}

/**
 * Whether `NO_PROXY` lists a host. Entries are separated by commas or spaces: `*`; a host, which includes the hosts
 * below it, also written `.host` or `*.host`; an IP address or a range such as `10.0.0.0/8`; each with or without
 * `:port`.
 *
 * @param hostname As the URL standard serializes it, with IPv6 addresses in brackets.
 */
export function isListed(list: string, hostname: string, port: number): boolean {
  const address = hostname.replace(/^\[(.*)\]$/, '$1')
  const host = withoutDot(address.toLowerCase())
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(entry => entry !== '')
    .some(entry => {
      if (entry === '*') return true
      const { name, port: only } = split(entry)
      if (only !== undefined && only !== port) return false
      if (ipaddr.isValid(host)) return isSameAddress(name, host)
      const suffix = withoutDot(name.replace(/^\*?\./, ''))
      return suffix !== '' && (host === suffix || host.endsWith(`.${suffix}`))
    })
}

/** `host`, `host:443`, `::1`, `[::1]:443`. */
function split(entry: string): { name: string; port: number | undefined } {
  const { bracketed, plain, port } =
    /^(?:\[(?<bracketed>.*)\]|(?<plain>[^:]*))(?::(?<port>\d+))?$/.exec(entry)?.groups ?? {}
  return { name: bracketed ?? plain ?? entry, port: port === undefined ? undefined : Number(port) }
}

function isSameAddress(entry: string, host: string): boolean {
  const address = ipaddr.process(host)
  if (ipaddr.isValidCIDR(entry)) {
    const [network, bits] = ipaddr.parseCIDR(entry)
    return network.kind() === address.kind() && address.match(network, bits)
  }
  return ipaddr.isValid(entry) && ipaddr.process(entry).toNormalizedString() === address.toNormalizedString()
}

function withoutDot(name: string): string {
  return name.replace(/\.$/, '')
}
