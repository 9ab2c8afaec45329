import { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import { configurationError, invalidOption, rejectUnknownOptions } from '../option-checks.ts'
import { environmentProxy } from './environment-proxy.ts'
import { proxyUrl } from './proxy-url.ts'

/** How connections to a tenant are opened: REST, WebSockets, token requests and all others. */
export interface OutboundOptions {
  /**
   * URL of the HTTP proxy through which the tenant is reached, such as `http://user:password@proxy.example:3128`. The
   * connections are tunnels (CONNECT), so the proxy sees no request. `false` connects directly.
   *
   * @default `HTTPS_PROXY` or `HTTP_PROXY` of the environment, except for hosts that `NO_PROXY` lists, and for loopback
   */
  readonly proxy?: string | false
  /** Certificates of authorities (PEM) that are trusted besides those of Node. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[]
  /** Opens the TCP connections instead of `proxy`, for example through a SOCKS proxy. */
  readonly connect?: OpenConnection
}

/**
 * Opens a TCP connection to a host. TLS is started on it afterwards, where the tenant's URL is https.
 *
 * `signal` aborts at the connect timeout.
 */
export type OpenConnection = (target: {
  /** Without brackets for an IPv6 address. */
  readonly hostname: string
  readonly port: number
  readonly signal: AbortSignal
}) => Promise<Socket>

/** Checked options. */
export interface OutboundSettings {
  readonly proxy: URL | undefined
  readonly ca: readonly string[]
  readonly connect: OpenConnection | undefined
}

/**
 * Checks the options, and reads the environment where they name no proxy.
 *
 * @param tenant Origin of the tenant.
 * @throws ERR_CONFIGURATION; no message repeats the user name or password of a proxy.
 */
export function outboundSettings(
  options: OutboundOptions,
  tenant: string,
  environment: NodeJS.ProcessEnv = process.env,
): OutboundSettings {
  rejectUnknownOptions('outbound', options, ['proxy', 'ca', 'connect'] satisfies (keyof OutboundOptions)[])
  const { proxy, connect } = options
  if (connect !== undefined && typeof connect !== 'function')
    throw invalidOption('outbound.connect', 'a function that opens a TCP connection', connect)
  if (connect !== undefined && proxy !== undefined && proxy !== false)
    throw configurationError('outbound takes either proxy or connect, not both.')
  const ca = options.ca === undefined ? [] : authorities(options.ca)
  if (connect !== undefined || proxy === false) return { proxy: undefined, ca, connect }
  return {
    proxy: proxy === undefined ? environmentProxy(tenant, environment) : proxyUrl('outbound.proxy', proxy),
    ca,
    connect,
  }
}

function authorities(ca: unknown): readonly string[] {
  const expected = 'certificates as PEM, such as readFileSync("company-ca.pem")'
  const texts = (Array.isArray(ca) ? ca : [ca]).map(part => {
    if (typeof part === 'string' || Buffer.isBuffer(part)) return String(part)
    throw configurationError(`outbound.ca must be ${expected}, got ${typeof part}.`)
  })
  return texts.flatMap(text => {
    const certificates = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
    if (certificates.length === 0)
      throw configurationError(`outbound.ca must be ${expected}, got text without a certificate.`)
    for (const certificate of certificates) requireCertificate(certificate)
    return certificates
  })
}

function requireCertificate(pem: string): void {
  try {
    new X509Certificate(pem)
  } catch (cause) {
    throw configurationError('outbound.ca contains a certificate that cannot be read.', cause)
  }
}
