import type { IncomingMessage } from 'node:http'
import { type QlikClient, type QlikClientOptions, qlikClient } from 'qlik-oauth'
import { clientOptionNames, messageOf, quoted, requireOptions, tenantOrigin } from 'qlik-oauth/internal'
import { isBelowMount } from '../../http/location/mount.ts'
import { type PublicLocation, publicLocation } from '../../http/location/public-location.ts'
import { configurationError, rejectUnknownOptions } from '../../http/options/option-checks.ts'
import type { ProxyOptions } from '../../proxy/rest-proxy-options.ts'
import type { SocketOptions } from '../../socket/socket-proxy-options.ts'
import { cookiePath } from '../cookies/session-cookie-path.ts'
import type { AuthSettings, QlikAuthOptions, TenantOptions } from '../options/auth-options.ts'

export interface TenantConfiguration {
  readonly client: QlikClient
  readonly location: PublicLocation
  /** Path of the application at which the tenant's authorization responses arrive. */
  readonly callbackPath: string
  readonly redirectUri: string
  /** The application's options, overridden by the tenant's own. */
  readonly proxy: ProxyOptions
  readonly sockets: SocketOptions
}

/** The tenants of an application, each with its client and the address at which its users see the application. */
export interface TenantRegistry {
  readonly all: readonly TenantConfiguration[]
  /** Whether the tenant of the login applies to requests that name none. False when tenants have their own hosts. */
  readonly tenantFromLogin: boolean
  /** The application's address, or its origin if tenants have addresses outside: where its cookies are sent. */
  readonly cookieLocation: PublicLocation
  /** The tenant that a request names; `undefined` when it names none. */
  ofRequest(request: IncomingMessage): TenantConfiguration | undefined
  /** Where browsers see the application: at the `publicUrl` of the tenant that the request names. */
  locationOf(request: IncomingMessage): PublicLocation
  /** The tenant and client of a login or authorization transaction; `undefined` when they are no longer configured. */
  ofRecord(record: { tenant: string; clientId: string }): TenantConfiguration | undefined
}

/** @throws ERR_CONFIGURATION */
export function tenantRegistry(options: QlikAuthOptions, { routes }: Pick<AuthSettings, 'routes'>): TenantRegistry {
  if (options.proxy !== undefined) requireOptions('proxy', options.proxy)
  if (options.sockets !== undefined) requireOptions('sockets', options.sockets)
  return options.tenants === undefined
    ? singleTenant(options, routes.callback)
    : severalTenants(options, routes.callback)
}

function singleTenant(options: Exclude<QlikAuthOptions, { tenants: object }>, callbackPath: string): TenantRegistry {
  if (options.tenantOf !== undefined)
    throw configurationError('tenantOf applies to several tenants only: pass tenants, or remove tenantOf.')
  if (options.tenant === undefined || options.clientId === undefined)
    throw configurationError('qlikAuth needs tenant and clientId, or tenants and tenantOf, got neither.')

  const { proxy = {}, sockets = {}, publicUrl } = options
  const only = configured(options, publicUrl, callbackPath, { proxy, sockets })
  return {
    all: [only],
    tenantFromLogin: true,
    cookieLocation: only.location,
    ofRequest: () => only,
    locationOf: () => only.location,
    ofRecord: record => (matches(only, record) ? only : undefined),
  }
}

function severalTenants(options: Extract<QlikAuthOptions, { tenants: object }>, callbackPath: string): TenantRegistry {
  const { tenants, tenantOf } = options
  const ofOneClient = clientOptionNames.find(name => options[name] !== undefined)
  if (ofOneClient !== undefined) {
    throw configurationError(
      `qlikAuth takes either tenant and clientId, or tenants, not both: move ${ofOneClient} into the entries of tenants.`,
    )
  }
  if (!Array.isArray(tenants) || tenants.length === 0)
    throw configurationError(`tenants must be a list of at least one tenant with its client, got ${quoted(tenants)}.`)
  if (typeof tenantOf !== 'function')
    throw configurationError(`tenantOf must be a function that finds the tenant of a request, got ${quoted(tenantOf)}.`)

  const all = tenants.map((tenant: TenantOptions, index) =>
    forTenant(index, tenant?.tenant, () => oneOfSeveral(options, tenant, callbackPath)),
  )
  const names = all.flatMap(tenant =>
    [tenant.client.tenant, ...tenant.client.aliases].map(origin => [origin, tenant] as const),
  )
  const byOrigin = new Map(names)
  if (byOrigin.size < names.length)
    throw configurationError('tenants must name each tenant once, and no alias may be that of another tenant.')
  const own = publicLocation(options.publicUrl)
  const [first = own, ...others] = all.map(({ location }) => location)
  const haveOneUrl = others.every(({ href }) => href === first.href)
  if (all.some(({ location }) => location.isHttps !== own.isHttps))
    throw configurationError('The publicUrl of the application and of all tenants must be https, or all http.')
  const ofRequest = (request: IncomingMessage): TenantConfiguration | undefined => {
    try {
      return byOrigin.get(tenantOf(request) ?? '')
    } catch {
      // tenantOf is the application's code and sees unchecked input; an error means that the request names no tenant.
      return undefined
    }
  }
  return {
    all,
    tenantFromLogin: haveOneUrl,
    cookieLocation: all.every(({ location }) => isBelowMount(location.base, own.base))
      ? own
      : publicLocation(own.origin),
    ofRequest,
    locationOf: request => (haveOneUrl ? first : (ofRequest(request)?.location ?? own)),
    ofRecord: record => all.find(tenant => matches(tenant, record)),
  }
}

/**
 * Makes what belongs to one entry of `tenants`.
 *
 * @throws ERR_CONFIGURATION that names the entry.
 */
export function forTenant<T>(index: number, tenant: unknown, make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw configurationError(`tenants[${index}] (${String(tenant)}): ${messageOf(error)}`)
  }
}

/** @throws ERR_CONFIGURATION */
function requireCookie(path: string, { base, href }: PublicLocation): void {
  if (path === '/' || isBelowMount(base, path)) return
  throw configurationError(
    `session.cookie.path must be "/", got ${quoted(path)}: the browser would not send the cookie to ${href}.`,
  )
}

function oneOfSeveral(common: QlikAuthOptions, tenant: TenantOptions, callbackPath: string): TenantConfiguration {
  rejectUnknownOptions('A tenant', tenant, [...clientOptionNames, 'publicUrl', 'proxy', 'sockets'])
  const path = `${callbackPath}/${new URL(tenantOrigin(tenant.tenant)).host}`
  const configuration = configured(tenant, tenant.publicUrl ?? common.publicUrl, path, {
    proxy: {
      ...overridden('proxy', common.proxy, tenant.proxy),
      timeouts: overridden('proxy.timeouts', common.proxy?.timeouts, tenant.proxy?.timeouts),
      limits: overridden('proxy.limits', common.proxy?.limits, tenant.proxy?.limits),
    },
    sockets: overridden('sockets', common.sockets, tenant.sockets),
  })
  requireCookie(cookiePath(common.session), configuration.location)
  return configuration
}

/** A field that is `undefined` is not set: the default of `allow` may be wider than the application's list. */
function overridden<T extends object>(name: string, common: T | undefined, own: T | undefined): Partial<T> {
  if (own === undefined) return { ...common }
  requireOptions(name, own)
  const set: Partial<T> = { ...own }
  for (const field in set) if (set[field] === undefined) delete set[field]
  return { ...common, ...set }
}

function configured(
  options: QlikClientOptions,
  publicUrl: string,
  path: string,
  proxies: Pick<TenantConfiguration, 'proxy' | 'sockets'>,
): TenantConfiguration {
  const location = publicLocation(publicUrl)
  return {
    client: qlikClient(clientOptions(options)),
    location,
    callbackPath: path,
    redirectUri: location.url(path),
    ...proxies,
  }
}

/** The options of the OAuth client alone, without those of the application around it. */
function clientOptions(options: QlikClientOptions): QlikClientOptions {
  const { tenant, clientId } = options
  const set = clientOptionNames.filter(name => options[name] !== undefined).map(name => [name, options[name]])
  return { ...Object.fromEntries(set), tenant, clientId }
}

function matches({ client }: TenantConfiguration, record: { tenant: string; clientId: string }): boolean {
  return client.tenant === record.tenant && client.clientId === record.clientId
}
