/* Clients, token sources, stores and errors: applications need no import of qlik-oauth. */
export * from 'qlik-oauth'
export { type ExposeAccessTokensOptions, exposeAccessTokens } from './expose-access-tokens.ts'
export {
  type FromMiddlewareOptions,
  fromMiddleware,
  type MiddlewareAuthenticate,
  type MiddlewarePrincipal,
} from './from-middleware.ts'
export type { TrustProxy } from './http/clients/client-address.ts'
export type { Authenticate, Principal } from './http/clients/principal.ts'
export type { IncomingRequest } from './http/location/request-target.ts'
export { type ErrorResponse, errorResponse, sendError } from './http/response/error-response.ts'
export type { RequestContext } from './http/response/request-context.ts'
export { requireSameOrigin } from './http/same-origin.ts'
export type { ProxyEventName, QlikEventName, QlikEvents } from './login/context/events.ts'
export type { RequestLogin } from './login/context/request-login.ts'
export { sessionCookie } from './login/cookies/session-cookie.ts'
export type { FrameOptions } from './login/frames/frame-options.ts'
export type { LoginGuards } from './login/guards.ts'
export type { AuthorizationParams } from './login/hooks/authorization-params.ts'
export type { PendingLogin } from './login/hooks/hook-options.ts'
export type { QlikAuthOptions, TenantOptions } from './login/options/auth-options.ts'
export type { LogoutOptions } from './login/options/logout-options.ts'
export type { RoutePaths } from './login/options/route-paths.ts'
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
