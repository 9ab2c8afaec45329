import { tenantOrigin } from 'qlik-oauth/internal'
import { buildConnector, Pool } from 'undici'
import { openPaths } from './path-rules.ts'
import type { RestProxySettings } from './rest-proxy-options.ts'
import { TenantConnection } from './tenant-connection.ts'
import { type TenantLinks, tenantLinks } from './tenant-links.ts'

/** The connections to one tenant. */
export interface TenantPool {
  readonly pool: Pool
  readonly links: TenantLinks
  /** Requests that are under way or wait for a connection. */
  active: number
}

export interface TenantPools {
  /** @param tenant Origin, from a token source and from nowhere else. */
  to(tenant: string): TenantPool
  /** Ends all connections; what is under way is cut off. */
  close(): Promise<void>
  readonly closed: boolean
}

/** Keeps one pool of connections for each tenant. */
export function tenantPools(settings: RestProxySettings): TenantPools {
  const known = new Map<string, TenantPool>()
  const isOpen = openPaths(settings.allow)
  let closed = false

  return {
    to(tenant) {
      const existing = known.get(tenant)
      if (existing !== undefined) return existing

      const origin = tenantOrigin(tenant)
      const connect = buildConnector({ timeout: settings.connectMs })
      const pool = new Pool(origin, {
        factory: (url, options) => new TenantConnection(url, { ...options, connect }),
        connections: settings.connections,
        headersTimeout: settings.headersMs,
        bodyTimeout: settings.bodyMs,
        keepAliveTimeout: keepAliveMs,
      })
      const upstream: TenantPool = {
        pool,
        links: tenantLinks(origin, settings.publicOrigin, settings.mount, isOpen),
        active: 0,
      }
      known.set(tenant, upstream)
      return upstream
    },
    async close() {
      closed = true
      await Promise.all([...known.values()].map(({ pool }) => pool.destroy()))
    },
    get closed() {
      return closed
    },
  }
}

/**
 * Shorter than the idle time of the usual load balancers (60 s), so that a request seldom meets a connection that is
 * just being closed.
 */
const keepAliveMs = 30_000
