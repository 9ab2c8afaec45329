export type { LoginEndReason } from 'qlik-oauth/internal'
export { type ExposeAccessTokensOptions, exposeAccessTokens } from './expose-access-tokens.ts'
export { type ErrorResponse, errorResponse, sendError } from './http/error-response.ts'
export type { Authenticate, Principal } from './http/principal.ts'
export { requireSameOrigin } from './http/same-origin.ts'
export type { QlikAuthOptions, TenantOptions, TenantRequest } from './login/auth-options.ts'
export type { QlikEventName, QlikEvents } from './login/events.ts'
export type { Guards } from './login/guards.ts'
export type { RequestLogin } from './login/request-login.ts'
export { sessionCookie } from './login/session-cookie.ts'
export type { AllowRule } from './proxy/path-rules.ts'
export type { RestProxyEvent, RestProxyOptions } from './proxy/rest-proxy-options.ts'
export { type LoginSummary, type QlikAuth, qlikAuth } from './qlik-auth.ts'
export { type CloseOptions, type ProxyHandler, type QlikProxy, type QlikProxyOptions, qlikProxy } from './qlik-proxy.ts'
export {
  type SinglePageClient,
  type SinglePageClientOptions,
  type SinglePageHostConfig,
  singlePageClient,
} from './single-page-client.ts'
export type { SocketEvent, SocketProxyOptions } from './socket/socket-proxy-options.ts'
