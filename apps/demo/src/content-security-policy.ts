import type { RequestHandler } from 'express'
import helmet from 'helmet'
import type { Environment } from './environment.ts'

/** The policy of the pages that reach the tenant directly from the browser; all others stay on this origin. */
export interface PolicyOptions {
  /** Further origins that scripts, styles, fonts, images and connections may come from. */
  readonly sources?: readonly string[]
}

/**
 * Helmet's headers, with its default policy where that suffices: charts drawn through the proxy need nothing more than this origin.
 *
 * A real tenant's embed runtime is said to load its modules from Qlik's CDN. That is not confirmed; more sources go into QLIK_CSP_EXTRA.
 */
export function securityHeaders(environment: Environment, options: PolicyOptions = {}): RequestHandler {
  const cdn = environment.simulated ? [] : ['https://cdn.qlikcloud.com']
  const extra = [...cdn, ...environment.cspExtra, ...(options.sources ?? [])]
  const https = environment.publicUrl.startsWith('https:')
  return helmet({
    contentSecurityPolicy: {
      directives: {
        scriptSrc: ["'self'", ...extra],
        connectSrc: ["'self'", webSocketOrigin(environment.publicUrl), ...extra, ...(options.sources ?? []).map(webSocketOrigin)],
        styleSrc: ["'self'", "'unsafe-inline'", ...extra],
        fontSrc: ["'self'", 'data:', ...extra],
        imgSrc: ["'self'", 'data:', ...extra],
        // Safari upgrades http://localhost as well, where nothing listens for TLS.
        upgradeInsecureRequests: https ? [] : null,
      },
    },
    // Browsers without Sec-Fetch-Site prove with Origin that a form is ours; 'no-referrer' would make it null.
    referrerPolicy: { policy: 'same-origin' },
    strictTransportSecurity: https,
  })
}

/** Safari does not read `'self'` as covering WebSockets. */
function webSocketOrigin(origin: string): string {
  return origin.replace(/^http/, 'ws')
}
