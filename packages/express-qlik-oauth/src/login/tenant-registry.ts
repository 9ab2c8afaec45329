import type { IncomingMessage } from 'node:http'
import type { SessionOptions } from 'express-session'
import { type LoginStore, type QlikClient, type QlikClientOptions, QlikOAuthError, qlikClient } from 'qlik-oauth'
import { isLoopback, tenantOrigin } from 'qlik-oauth/internal'
import type { QlikProxyOptions } from '../qlik-proxy.ts'

/** A tenant of an application that serves several. */
export interface TenantOptions extends QlikClientOptions {
  /** Where this tenant's users see the application. @default the application's `publicUrl` */
  readonly publicUrl?: string
  /**
   * Its own path rules, limits and timeouts. What is not named here, field by field, is as in the application's
   * `proxy`.
   */
  readonly proxy?: ProxyOptions
  /** The same for its sockets. */
  readonly sockets?: SocketsOptions
}

type ProxyOptions = NonNullable<QlikProxyOptions['proxy']>
type SocketsOptions = NonNullable<QlikProxyOptions['sockets']>

/** A request as Node has it, or as Express has changed it: within a router, `url` lacks the path of the router. */
export type NamingRequest = IncomingMessage & { readonly originalUrl?: string }

export interface QlikAuthOptions extends Partial<QlikClientOptions> {
  /**
   * Instead of `tenant`, `clientId`, …: several tenants, each with its client. Their redirect URIs end in
   * `/auth/callback/{tenant host}`.
   */
  readonly tenants?: readonly TenantOptions[]
  /**
   * Which tenant a request is about, by host name, path, or the user's choice at `/auth/login`; needed with `tenants`.
   * @returns The tenant's origin; `undefined` where the request does not say. Then the login decides, if all tenants
   * have the same `publicUrl`; otherwise the request is refused.
   */
  readonly tenantOf?: (request: NamingRequest) => string | undefined
  /**
   * Origin at which browsers see this application, such as `https://app.example.com`. Never taken from a Host header.
   * `http:` on loopback only.
   */
  readonly publicUrl: string
  /** The options that `session()` is mounted with: the same object, with its store. */
  readonly session: SessionOptions
  /** Where logins and tokens live: `redisLoginStore(...)` or `memoryLoginStore()`. */
  readonly store: LoginStore
  /** A login unused for so long is over. @default 1800 */
  readonly idleSeconds?: number
  /** A login is over after so long, however active. @default 43200 */
  readonly absoluteSeconds?: number
  /** How long before its end an access token is renewed. @default 60 */
  readonly refreshLeewaySeconds?: number
  /** Login attempts per client address and minute, over all processes; 0 for no limit. @default 60 */
  readonly loginRateLimit?: number
  /** Where people go who have nowhere else to go: after logout, after a login without a return path. @default '/' */
  readonly home?: string
  /**
   * Keeps opened logins in this process for so many seconds. A logout anywhere ends them at once all the same.
   *
   * @default 0
   */
  readonly cacheSeconds?: number
  /** Path below which the tenant appears. @default '/qlik' */
  readonly mount?: string
  /** Path rules, limits and timeouts of the REST proxy. */
  readonly proxy?: ProxyOptions
  /** Limits and timeouts of the WebSocket proxy. */
  readonly sockets?: SocketsOptions
}

export interface TenantConfiguration {
  readonly client: QlikClient
  readonly publicUrl: string
  readonly redirectUri: string
  /** The application's options, with the tenant's own in their place. */
  readonly proxy: ProxyOptions
  readonly sockets: SocketsOptions
}

/** The tenants of the application, each with its client and the URL its users see. */
export interface TenantRegistry {
  readonly all: readonly TenantConfiguration[]
  /**
   * Whether a request that does not say its tenant is about the one where its user is logged in: not where tenants have
   * host names of their own.
   */
  readonly tenantFromLogin: boolean
  /** The site that a request is about; `undefined` when the request does not say. */
  of(request: IncomingMessage): TenantConfiguration | undefined
  forLogin(record: { tenant: string; clientId: string }): TenantConfiguration | undefined
}

export const loginPath = '/auth/login'
export const callbackPath = '/auth/callback'
export const logoutPath = '/auth/logout'
export const sessionPath = '/auth/session'

/** @throws ERR_CONFIGURATION for every option that is not what it must be. */
export function tenantRegistry(options: QlikAuthOptions): TenantRegistry {
  const { tenants, tenantOf } = options
  if (tenants === undefined) {
    if (options.tenant === undefined || options.clientId === undefined) {
      throw configuration(`qlikAuth needs tenant and clientId, or tenants, got neither.`)
    }
    const { proxy = {}, sockets = {}, publicUrl } = options
    const site = siteOf({ ...options, tenant: options.tenant, clientId: options.clientId }, publicUrl, callbackPath, {
      proxy,
      sockets,
    })
    return {
      all: [site],
      tenantFromLogin: true,
      of: () => site,
      forLogin: record => (isOf(site, record) ? site : undefined),
    }
  }

  if (options.tenant !== undefined || options.clientId !== undefined)
    throw configuration('qlikAuth takes either tenant and clientId, or tenants, not both.')
  if (tenants.length === 0 || typeof tenantOf !== 'function')
    throw configuration('tenants needs at least one tenant, and tenantOf to tell which one a request is about.')
  const all = tenants.map((tenant, index) => namingTenant(index, tenant.tenant, () => siteAmong(options, tenant)))
  const byTenant = new Map(all.map(site => [site.client.tenant, site]))
  if (byTenant.size < all.length) throw configuration('tenants must name each tenant once.')
  const publicUrls = new Set(all.map(site => site.publicUrl))
  if (new Set([publicOrigin(options.publicUrl), ...publicUrls].map(url => new URL(url).protocol)).size > 1)
    throw configuration('The publicUrl of the application and of all tenants must be https, or all http.')
  return {
    all,
    tenantFromLogin: publicUrls.size === 1,
    of(request) {
      try {
        return byTenant.get(tenantOf(request) ?? '')
      } catch {
        // The application's own rule fails on a strange request: then it says nothing, and the process goes on.
        return undefined
      }
    },
    forLogin: record => all.find(site => isOf(site, record)),
  }
}

/**
 * Checks the URL that browsers see.
 * @throws ERR_CONFIGURATION
 */
export function publicOrigin(value: unknown): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  const wanted = 'publicUrl must be the origin at which browsers see the application, such as "https://app.example.com"'
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw configuration(`${wanted}, got ${JSON.stringify(value)}.`)
  if (url.href !== `${url.origin}/`)
    throw configuration(`${wanted}, without anything behind it. Did you mean "${url.origin}"?`)
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw configuration(
      `${wanted}, got ${JSON.stringify(value)}. Session cookies travel over https only; http is for loopback.`,
    )
  }
  return url.origin
}

/** @throws ERR_CONFIGURATION unless `value` is a whole number of at least `least`. */
export function wholeNumber(name: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value
  throw configuration(`${name} must be a whole number of at least ${least}, got ${JSON.stringify(value)}.`)
}

export function configuration(message: string): QlikOAuthError {
  return new QlikOAuthError('ERR_CONFIGURATION', message)
}

/**
 * Makes what belongs to one of `tenants`.
 * @throws ERR_CONFIGURATION that says which one is wrong, and why
 */
export function namingTenant<T>(index: number, tenant: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw configuration(`tenants[${index}] (${tenant}): ${error instanceof Error ? error.message : String(error)}`)
  }
}

function siteAmong(common: QlikAuthOptions, tenant: TenantOptions): TenantConfiguration {
  const path = `${callbackPath}/${new URL(tenantOrigin(tenant.tenant)).host}`
  return siteOf(tenant, tenant.publicUrl ?? common.publicUrl, path, {
    proxy: {
      ...overridden('proxy', common.proxy, tenant.proxy),
      timeouts: overridden('proxy.timeouts', common.proxy?.timeouts, tenant.proxy?.timeouts),
      limits: overridden('proxy.limits', common.proxy?.limits, tenant.proxy?.limits),
    },
    sockets: overridden('sockets', common.sockets, tenant.sockets),
  })
}

/**
 * A field of `own` that is `undefined` counts as not given: the default of `allow` may be wider than the application's
 * list.
 */
function overridden<T extends object>(name: string, common: T | undefined, own: T | undefined): Partial<T> {
  if (own === undefined) return { ...common }
  if (typeof own !== 'object' || own === null || Array.isArray(own))
    throw configuration(`${name} must be an object with options, got ${JSON.stringify(own)}.`)
  const given: Partial<T> = { ...own }
  for (const field in given) if (given[field] === undefined) delete given[field]
  return { ...common, ...given }
}

function siteOf(
  options: QlikClientOptions,
  publicUrl: string,
  path: string,
  proxies: Pick<TenantConfiguration, 'proxy' | 'sockets'>,
): TenantConfiguration {
  const origin = publicOrigin(publicUrl)
  return { client: qlikClient(options), publicUrl: origin, redirectUri: origin + path, ...proxies }
}

function isOf({ client }: TenantConfiguration, record: { tenant: string; clientId: string }): boolean {
  return client.tenant === record.tenant && client.clientId === record.clientId
}
