import type { RequestHandler } from 'express'
import helmet from 'helmet'
import type { Environment } from './environment.ts'

/** Directives in helmet's form. */
export type Directives = Readonly<Record<string, readonly string[] | null>>

/**
 * Helmet's headers, with its default policy where that suffices: charts drawn through the proxy need nothing more than
 * this origin.
 *
 * A real tenant's embed runtime is said to load its modules from Qlik's CDN. That is not confirmed; more sources go
 * into QLIK_CSP_EXTRA.
 *
 * @param more What pages need that reach the tenant directly from the browser.
 */
export function securityHeaders(
  { cspExtra, publicUrl, simulated }: Environment,
  more: Directives = {},
): RequestHandler {
  const extra = [...(simulated ? [] : ['https://cdn.qlikcloud.com']), ...cspExtra]
  const https = publicUrl.startsWith('https:')
  const own: Directives = {
    scriptSrc: ["'self'", ...extra],
    // Safari does not read 'self' as covering WebSockets.
    connectSrc: ["'self'", publicUrl.replace(/^http/, 'ws'), ...extra],
    styleSrc: ["'self'", "'unsafe-inline'", ...extra],
    fontSrc: ["'self'", 'data:', ...extra],
    imgSrc: ["'self'", 'data:', ...extra],
    // Safari upgrades http://localhost as well, where nothing listens for TLS.
    upgradeInsecureRequests: https ? [] : null,
  }
  return helmet({
    contentSecurityPolicy: { directives: union(own, more) },
    // Browsers without Sec-Fetch-Site prove with Origin that a form is ours; 'no-referrer' would make it null.
    referrerPolicy: { policy: 'same-origin' },
    strictTransportSecurity: https,
  })
}

function union(own: Directives, more: Directives): Record<string, string[] | null> {
  const names = [...new Set([...Object.keys(own), ...Object.keys(more)])]
  const sources = (name: string) => [...new Set([...(own[name] ?? []), ...(more[name] ?? [])])]
  return Object.fromEntries(names.map(name => [name, own[name] === null ? null : sources(name)]))
}
