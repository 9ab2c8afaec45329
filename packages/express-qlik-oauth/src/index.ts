export type { Access, FindAccess } from './access.ts'
export { answer, type ErrorAnswer, errorAnswer } from './error-answer.ts'
export type { QlikEventName, QlikEvents } from './events.ts'
export { type ExposeAccessTokensOptions, exposeAccessTokens } from './expose-access-tokens.ts'
export type { Guards } from './guards.ts'
export { sessionCookie } from './login/session-cookie.ts'
export type { QlikAuthOptions, TenantOptions } from './options.ts'
export type { AllowRule } from './proxy/path-rules.ts'
export { type RestProxy, restProxy } from './proxy/rest-proxy.ts'
export type { RestProxyEvent, RestProxyOptions } from './proxy/rest-proxy-options.ts'
export { requireSameOrigin } from './proxy/same-origin.ts'
export { type LoginSummary, type QlikAuth, qlikAuth } from './qlik-auth.ts'
export { type ProxyHandler, type QlikProxy, type QlikProxyOptions, qlikProxy } from './qlik-proxy.ts'
export { Refusal, type RefusalCode, refusalTable } from './refusal.ts'
export type { RequestLogin } from './request-login.ts'
export {
  type SinglePageClient,
  type SinglePageClientOptions,
  type SinglePageHostConfig,
  singlePageClient,
} from './single-page-client.ts'
export { type SocketEvent, type SocketProxy, type SocketProxyOptions, socketProxy } from './socket/socket-proxy.ts'
