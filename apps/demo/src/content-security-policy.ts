import type { RequestHandler } from 'express'
import helmet from 'helmet'
import type { Environment } from './environment.ts'

/** Directives as helmet takes them. */
export type Directives = Readonly<Record<string, readonly string[] | null>>

/**
 * Helmet's security headers. Charts drawn through the proxy need no source but this origin.
 *
 * The embed runtime of a real tenant may load modules from Qlik's CDN (unconfirmed); add other sources with
 * QLIK_CSP_EXTRA.
 *
 * @param more Directives of pages that connect to the tenant directly.
 */
export function securityHeaders(
  { cspExtra, publicUrl, simulated }: Environment,
  more: Directives = {},
): RequestHandler {
  const extra = [...(simulated ? [] : ['https://cdn.qlikcloud.com']), ...cspExtra]
  const https = publicUrl.startsWith('https:')
  const own: Directives = {
    scriptSrc: ["'self'", ...extra],
    // In Safari, 'self' does not cover WebSockets.
    connectSrc: ["'self'", new URL(publicUrl).origin.replace(/^http/, 'ws'), ...extra],
    styleSrc: ["'self'", "'unsafe-inline'", ...extra],
    fontSrc: ["'self'", 'data:', ...extra],
    imgSrc: ["'self'", 'data:', ...extra],
    // Safari would also upgrade http://localhost, where nothing listens for TLS.
    upgradeInsecureRequests: https ? [] : null,
  }
  return helmet({
    contentSecurityPolicy: { directives: union(own, more) },
    // Without Sec-Fetch-Site, forms are checked by Origin, which 'no-referrer' would set to null.
    referrerPolicy: { policy: 'same-origin' },
    strictTransportSecurity: https,
  })
}

function union(own: Directives, more: Directives): Record<string, string[] | null> {
  const names = [...new Set([...Object.keys(own), ...Object.keys(more)])]
  const sources = (name: string) => [...new Set([...(own[name] ?? []), ...(more[name] ?? [])])]
  return Object.fromEntries(names.map(name => [name, own[name] === null ? null : sources(name)]))
}
