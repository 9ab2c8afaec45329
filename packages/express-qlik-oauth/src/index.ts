/* Clients, token sources, stores and errors: applications need no import of qlik-oauth. */
export * from 'qlik-oauth'
export { type ExposeAccessTokensOptions, exposeAccessTokens } from './expose-access-tokens.ts'
export {
  type FromMiddlewareOptions,
  fromMiddleware,
  type MiddlewareAuthenticate,
  type MiddlewarePrincipal,
} from './from-middleware.ts'
export type { TrustProxy } from './http/client-address.ts'
export { type ErrorResponse, errorResponse, sendError } from './http/error-response.ts'
export type { Authenticate, Principal } from './http/principal.ts'
export type { RequestContext } from './http/request-context.ts'
export type { IncomingRequest } from './http/request-target.ts'
export { requireSameOrigin } from './http/same-origin.ts'
export type { QlikAuthOptions, TenantOptions } from './login/auth-options.ts'
export type { ProxyEventName, QlikEventName, QlikEvents } from './login/events.ts'
export type { FrameOptions } from './login/frames/frame-options.ts'
export type { LoginGuards } from './login/guards.ts'
export type { AuthorizationParams } from './login/hooks/authorization-params.ts'
export type { PendingLogin } from './login/hooks/hook-options.ts'
export type { LogoutOptions } from './login/logout-options.ts'
export type { RequestLogin } from './login/request-login.ts'
export type { RoutePaths } from './login/route-paths.ts'
export { sessionCookie } from './login/session-cookie.ts'
export type { LoginSummary, UserLogins } from './login/user-logins.ts'
export type { PathRule } from './proxy/path-rules.ts'
export type { ProxiedEvent } from './proxy/proxied-event.ts'
export type { ProxiedMethod } from './proxy/proxied-method.ts'
export type { ProxyOptions, RestProxyEvent } from './proxy/rest-proxy-options.ts'
export { type QlikAuth, qlikAuth } from './qlik-auth.ts'
export {
  type ProxyCloseOptions,
  type QlikProxy,
  type QlikProxyHandler,
  type QlikProxyOptions,
  qlikProxy,
} from './qlik-proxy.ts'
export {
  type SinglePageClient,
  type SinglePageClientOptions,
  type SinglePageHostConfig,
  singlePageClient,
} from './single-page-client.ts'
export type { SocketEvent, SocketOptions } from './socket/socket-proxy-options.ts'
