import type { IncomingMessage } from 'node:http'
import type { Authenticate, Principal } from './http/principal.ts'
import type { Emit } from './login/events.ts'
import {
  namingTenant,
  type QlikAuthOptions,
  type TenantConfiguration,
  type TenantRegistry,
} from './login/tenant-registry.ts'
import { isBelow, type ProxyPair, type ProxyServer, proxyPair } from './qlik-proxy.ts'
import { ignoreErrors } from './socket/upgrade.ts'

/** The proxies of an application, a pair for each of its tenants. */
export interface TenantProxies {
  readonly all: readonly ProxyPair[]
  /** @returns `undefined` for a request that is about no tenant. */
  of(request: IncomingMessage): ProxyServer | undefined
}

export interface TenantProxiesContext {
  readonly sites: TenantRegistry
  readonly options: Pick<QlikAuthOptions, 'proxy' | 'sockets'>
  readonly authenticate: Authenticate
  readonly mount: string
  readonly emit: Emit
}

/**
 * Makes the proxies of all tenants.
 *
 * A request that names its tenant goes to that tenant's. For any other the login decides: it is looked up first, once,
 * and handed over.
 *
 * @throws ERR_CONFIGURATION
 */
export function tenantProxies({
  sites,
  options,
  authenticate: access,
  mount,
  emit,
}: TenantProxiesContext): TenantProxies {
  const pairOf = ({ client: { tenant }, publicUrl, proxy, sockets }: TenantConfiguration): ProxyPair =>
    proxyPair({
      authenticate: access,
      publicUrl,
      mount,
      proxy: { onEvent: event => emit('proxy', { ...event, tenant }), ...proxy },
      sockets: { onEvent: event => emit('socket', { ...event, tenant }), ...sockets },
    })

  const [first] = sites.all
  if (first !== undefined && sites.all.length === 1) {
    const only = pairOf(first)
    return { all: [only], of: () => only }
  }

  const { proxy = {}, sockets = {} } = options
  const publicUrl = first?.publicUrl ?? ''
  // What is wrong with the application's own options is to be said of them, not of the first tenant.
  proxyPair({ authenticate: access, publicUrl, mount, proxy, sockets })
  const pairs = new Map(
    sites.all.map(
      (site, index) => [site.client.tenant, namingTenant(index, site.client.tenant, () => pairOf(site))] as const,
    ),
  )
  const nobody = proxyPair({
    authenticate: async () => undefined,
    publicUrl,
    mount,
    // Whoever has no access is told so, whichever tenant's list and limits apply to others.
    proxy: {
      onEvent: event => emit('proxy', event),
      ...proxy,
      allow: ['/**'],
      limits: { urlBytes: Number.MAX_SAFE_INTEGER, bodyBytes: Number.MAX_SAFE_INTEGER },
    },
    sockets: { onEvent: event => emit('socket', event), ...sockets },
  })
  const undecided = sites.tenantFromLogin
    ? byAccess(access, ({ tokens }) => pairs.get(tokens.tenant), nobody, mount)
    : undefined
  return {
    all: [...pairs.values(), nobody],
    of: request => pairs.get(sites.of(request)?.client.tenant ?? '') ?? undecided,
  }
}

/** Serves each request with the proxies of the tenant where its user has access. */
function byAccess(
  access: Authenticate,
  pairOf: (access: Principal) => ProxyPair | undefined,
  nobody: ProxyPair,
  mount: string,
): ProxyServer {
  async function decided(request: IncomingMessage): Promise<{ pair: ProxyPair; find: Authenticate }> {
    const finding = access(request)
    // A failure is not lost: whoever serves the request awaits it again, and answers with it.
    const found = await finding.catch(() => undefined)
    const pair = found && pairOf(found)
    return pair === undefined
      ? { pair: nobody, find: () => finding.then(() => undefined) }
      : { pair, find: () => finding }
  }

  return {
    rest(request, response, next) {
      if (!isBelow(mount, request)) nobody.rest(request, response, next)
      else void decided(request).then(({ pair, find }) => pair.rest.serve(request, response, next, find))
    },
    sockets: {
      upgrade(request, socket, head) {
        if (!isBelow(mount, request)) return false
        ignoreErrors(socket)
        void decided(request).then(
          ({ pair, find }) => socket.destroyed || pair.sockets.upgrade(request, socket, head, find),
        )
        return true
      },
    },
  }
}
