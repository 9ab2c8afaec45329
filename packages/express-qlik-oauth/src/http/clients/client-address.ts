import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import proxyAddr from 'proxy-addr'
import { quoted } from 'qlik-oauth/internal'
import { configurationError, invalidOption } from '../options/option-checks.ts'

/**
 * Trusted proxies in front of the application, as in Express's "trust proxy": their number, their addresses and
 * subnets, or a function. `true` trusts every address, so clients can choose theirs.
 */
export type TrustProxy = boolean | number | string | readonly string[] | ((address: string, hop: number) => boolean)

/**
 * Makes a function that finds the address of the client of a raw Node request.
 *
 * @param trustProxy `false`: the address of the connection.
 * @returns The address as the connection or the last trusted hop reports it, or `undefined` once the connection is
 * closed. Pass it to `clientNetwork` before counting by it.
 * @throws ERR_CONFIGURATION
 */
export function clientAddress(trustProxy: TrustProxy = false): (request: IncomingMessage) => string | undefined {
  const isTrusted = trustFunction(trustProxy)
  if (isTrusted === undefined) return request => request.socket.remoteAddress
  return request => (request.socket.remoteAddress === undefined ? undefined : proxyAddr(request, isTrusted))
}

/**
 * The network that a client can choose its address from: one IPv4 address, or one IPv6 /64. Limits are counted by it.
 *
 * @param address Address with or without port, brackets and zone. IPv4-mapped IPv6 addresses are IPv4 addresses.
 * @returns Such as `192.0.2.1` or `2001:db8:0:0::/64`; `unknown` for anything else.
 */
export function clientNetwork(address: string | undefined): string {
  const plain = withoutPort(address?.trim() ?? '')
  if (isIP(plain) === 0) return 'unknown'
  const parsed = ipaddr.process(plain)
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString()
  const prefix = parsed.parts.slice(0, 4).map(part => part.toString(16))
  return `${prefix.join(':')}::/64`
}

/** `[2001:db8::1]:443` and `192.0.2.1:443`, as some balancers write `X-Forwarded-For`. */
function withoutPort(address: string): string {
  return /^\[([^\]]*)\](?::\d+)?$/.exec(address)?.[1] ?? /^(\d+(?:\.\d+){3}):\d+$/.exec(address)?.[1] ?? address
}

/** @returns `undefined` when `X-Forwarded-For` is not used. */
function trustFunction(trustProxy: unknown): ((address: string, hop: number) => boolean) | undefined {
  if (trustProxy === false || trustProxy === 0) return undefined
  if (trustProxy === true) return () => true
  if (typeof trustProxy === 'function') return (address, hop) => trustProxy(address, hop) === true
  if (typeof trustProxy === 'number' && Number.isSafeInteger(trustProxy) && trustProxy > 0)
    return (_address, hop) => hop < trustProxy

  // proxy-addr reads "1" as the address 0.0.0.1.
  if (typeof trustProxy === 'string' && /^\s*\d+\s*$/.test(trustProxy))
    throw configurationError(
      `trustProxy must be a number to trust that many proxies, got ${quoted(trustProxy)}. Did you mean ${Number(trustProxy)}?`,
    )
  const list: unknown = typeof trustProxy === 'string' ? trustProxy.split(',').map(text => text.trim()) : trustProxy
  const expected = 'a number of trusted hops, a list of trusted addresses or subnets, a boolean or a function'
  if (!Array.isArray(list) || list.length === 0 || !list.every(item => typeof item === 'string'))
    throw invalidOption('trustProxy', expected, trustProxy)
  try {
    return proxyAddr.compile(list)
  } catch {
    throw invalidOption('trustProxy', expected, trustProxy)
  }
}
