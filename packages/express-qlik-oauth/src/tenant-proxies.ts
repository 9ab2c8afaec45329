import type { IncomingMessage } from 'node:http'
import type { Authenticate } from './http/clients/principal.ts'
import { ignoreErrors, refuseUpgrade } from './http/http-server.ts'
import { httpError, sendError } from './http/response/error-response.ts'
import { traceIdOf } from './http/response/request-context.ts'
import type { QlikEventEmitter } from './login/context/event-emitter.ts'
import { forTenant, type TenantConfiguration, type TenantRegistry } from './login/context/tenant-registry.ts'
import type { AuthSettings, QlikAuthOptions } from './login/options/auth-options.ts'
import { proxyObserver } from './proxy-observer.ts'
import { type ProxyServer, proxyServer } from './qlik-proxy.ts'

export interface TenantProxiesContext {
  readonly tenants: TenantRegistry
  readonly settings: AuthSettings
  readonly options: Pick<QlikAuthOptions, 'proxy' | 'sockets'>
  readonly authenticate: Authenticate
  readonly events: QlikEventEmitter
}

/**
 * Makes the proxies of all tenants.
 *
 * A request goes to the tenant that it names. When it names none, its login is looked up first, and the principal is
 * passed on, so that each request costs one lookup.
 *
 * @throws ERR_CONFIGURATION
 */
export function tenantProxies(context: TenantProxiesContext): ProxyServer {
  const { tenants, settings, options, authenticate, events } = context
  const { mount } = settings
  const proxyOf = ({ client: { tenant }, location, proxy, sockets }: TenantConfiguration): ProxyServer =>
    proxyServer(
      {
        authenticate,
        publicUrl: location.href,
        mount,
        ...(proxy === undefined ? {} : { proxy }),
        ...(sockets === undefined ? {} : { sockets }),
      },
      proxyObserver(events, tenant),
    )

  const [first, ...others] = tenants.all
  if (first !== undefined && others.length === 0) return proxyOf(first)

  const { proxy = {}, sockets = {} } = options
  const publicUrl = (first?.location ?? settings.location).href
  // Errors in the application's own options must not be reported as errors of the first tenant.
  proxyServer({ authenticate, publicUrl, mount, proxy, sockets })
  const proxies = new Map(
    tenants.all.map(
      (tenant, index) => [tenant.client.tenant, forTenant(index, tenant.client.tenant, () => proxyOf(tenant))] as const,
    ),
  )
  // A request without a login gets 401, whatever the path rules and limits of the tenants are.
  const unauthenticated = proxyServer(
    {
      authenticate: async () => undefined,
      publicUrl,
      mount,
      proxy: {
        ...proxy,
        allow: ['/**'],
        limits: { urlBytes: Number.MAX_SAFE_INTEGER, bodyBytes: Number.MAX_SAFE_INTEGER },
      },
      sockets,
    },
    proxyObserver(events),
  )

  /** The proxy of the tenant that the request names; `'login'` when its login decides. */
  function named(request: IncomingMessage): ProxyServer | 'login' | undefined {
    const tenant = tenants.ofRequest(request)
    return tenant === undefined ? (tenants.tenantFromLogin ? 'login' : undefined) : proxies.get(tenant.client.tenant)
  }

  async function byLogin(request: IncomingMessage): Promise<{ proxy: ProxyServer; authenticate: Authenticate }> {
    const lookup = authenticate(request)
    // A failed lookup is reported by the proxy, which awaits it again.
    const principal = await lookup.catch(() => undefined)
    const proxy = principal && proxies.get(principal.tokens.tenant)
    return proxy === undefined
      ? { proxy: unauthenticated, authenticate: () => lookup.then(() => undefined) }
      : { proxy, authenticate: () => lookup }
  }

  return {
    rest(request, response) {
      const proxy = named(request)
      if (proxy === undefined)
        sendError(response, httpError('ERR_PATH_NOT_ALLOWED', 'No tenant is configured for this host.'))
      else if (proxy !== 'login') proxy.rest(request, response)
      else void byLogin(request).then(found => found.proxy.rest(request, response, found.authenticate))
    },
    upgrade(request, socket, head) {
      const proxy = named(request)
      ignoreErrors(socket)
      if (proxy === undefined)
        refuseUpgrade(
          socket,
          httpError('ERR_SOCKET_NOT_FOUND', 'No tenant is configured for this host.'),
          traceIdOf(request),
        )
      else if (proxy !== 'login') proxy.upgrade(request, socket, head)
      else
        void byLogin(request).then(
          found => socket.destroyed || found.proxy.upgrade(request, socket, head, found.authenticate),
        )
    },
    async close(graceMs, connectionsEnded) {
      await Promise.all([...proxies.values(), unauthenticated].map(proxy => proxy.close(graceMs, connectionsEnded)))
    },
  }
}
