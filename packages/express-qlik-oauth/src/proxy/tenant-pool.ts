import type { TokenSource } from 'qlik-oauth'
import { clientHostOf, type TenantHost, tenantHost } from 'qlik-oauth/internal'
import { Pool } from 'undici'
import { connectionLimiter } from '../http/clients/connection-limiter.ts'
import { busy, FairQueue, tooManyRequests, unreserved } from './fair-queue.ts'
import { type TenantLinks, tenantLinks } from './response/tenant-links.ts'
import type { RestProxySettings } from './rest-proxy-options.ts'
import { TenantConnection } from './tenant-connection.ts'

/** The connections to one tenant. */
export interface TenantPool {
  readonly dispatcher: Pool
  readonly links: TenantLinks
  /** Requests other than event streams. */
  readonly queue: FairQueue
  /**
   * Counts an event stream of a login.
   *
   * @throws ERR_TOO_MANY_LOGIN_REQUESTS, ERR_TENANT_BUSY
   */
  openStream(limitKey: string): void
  closeStream(limitKey: string): void
}

export interface TenantPools {
  /** The connections to the tenant of a token source, by the way that its client names. */
  to(tokens: TokenSource): TenantPool
  /** Destroys all connections, with the requests on them. */
  close(): Promise<void>
}

/**
 * Keeps one pool of connections for each tenant, and for each way to it where clients name several.
 *
 * @param isOpen Whether a path of a tenant is open to clients.
 */
export function tenantPools(settings: RestProxySettings, isOpen: (path: string) => boolean): TenantPools {
  const known = new Map<string, TenantPool>()

  function open({ origin, aliases, outbound }: TenantHost): TenantPool {
    const connect = outbound.connector(settings.connectMs)
    // As for requests: no user can have the connections of all.
    const streamShare = Math.max(1, Math.floor(settings.connections / 2))
    const streamsOf = connectionLimiter(Math.min(settings.eventStreamsPerLogin, streamShare))
    let streams = 0
    return {
      dispatcher: new Pool(origin, {
        factory: (url, options) => new TenantConnection(url, { ...options, connect }),
        // Requests have `connections`, and event streams as many beside them.
        connections: settings.connections * 2,
        headersTimeout: settings.headersMs,
        keepAliveTimeout: keepAliveMs,
      }),
      links: tenantLinks([origin, ...aliases], settings.publicOrigin, settings.mount.path, isOpen),
      queue: new FairQueue({
        concurrent: settings.connections,
        perLogin: settings.requestsPerLogin,
        waiting: settings.waiting,
      }),
      openStream(limitKey) {
        const isFirst = !streamsOf.has(limitKey)
        if (!streamsOf.acquire(limitKey)) throw tooManyRequests()
        if (streams >= (isFirst ? settings.connections : unreserved(settings.connections))) {
          streamsOf.release(limitKey)
          throw busy()
        }
        streams += 1
      },
      closeStream(limitKey) {
        streams -= 1
        streamsOf.release(limitKey)
      },
    }
  }

  return {
    to(tokens) {
      const host = clientHostOf(tokens)
      const key = host?.key ?? tokens.tenant
      const existing = known.get(key)
      if (existing !== undefined) return existing
      const opened = open(host ?? tenantHost(tokens.tenant))
      known.set(key, opened)
      return opened
    },
    async close() {
      await Promise.all([...known.values()].map(({ dispatcher }) => dispatcher.destroy()))
    },
  }
}

/** Shorter than the idle timeout of common load balancers (60 s), so that few requests meet a stale connection. */
const keepAliveMs = 30_000
