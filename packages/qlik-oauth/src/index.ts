export type { EndReason, LoginEvents } from './logins/login-events.ts'
export { type LoopbackLogin, type LoopbackLoginOptions, loopbackLogin } from './native/loopback-login.ts'
export { openSystemBrowser } from './native/system-browser.ts'
export { type QlikClient, type QlikClientOptions, qlikClient } from './protocol/client.ts'
export {
  type ClientAuthentication,
  type ClientCredentials,
  type ClientKeys,
  clientSecret,
  clientSecretBasic,
  generateClientKeys,
  type PrivateKeyOptions,
  privateKeyJwt,
  publicClient,
} from './protocol/client-authentication.ts'
export {
  type ErrorCode,
  type ErrorDetails,
  errorCatalogue,
  QlikOAuthError,
  type TenantErrorDetail,
  TenantResponseError,
  TokenResponseError,
} from './protocol/errors.ts'
export {
  anonymousEmbedGrant,
  authorizationCodeGrant,
  clientCredentialsGrant,
  type Grant,
  impersonationGrant,
  refreshTokenGrant,
  type UserLookup,
} from './protocol/grants.ts'
export { currentUser, isQlikBot, type QlikUser } from './protocol/qlik-user.ts'
export type { Tier } from './protocol/tier.ts'
export { requestTokens, revokeToken, type TokenRequestOptions } from './protocol/token-endpoint.ts'
export type { TokenSet } from './protocol/token-set.ts'
export type {
  AuthorizationTransaction,
  ChangeSubscription,
  Lock,
  LoginChange,
  LoginRecord,
  LoginStore,
  StoredLogin,
} from './stores/login-store.ts'
export { type MemoryLoginStoreOptions, memoryLoginStore } from './stores/memory-login-store.ts'
export type { RedisClient, RedisSubscriber } from './stores/redis-commands.ts'
export { type RedisLoginStoreEvent, type RedisLoginStoreOptions, redisLoginStore } from './stores/redis-login-store.ts'
export {
  type AppType,
  type ConsentMethod,
  type NewOAuthClient,
  type NewSecret,
  type OAuthClient,
  type OAuthClientSettings,
  type OAuthClients,
  oauthClients,
  type PatchOperation,
} from './tenant/oauth-clients.ts'
export { organizationOrigin, regionOfDataCenter, registerOrigin } from './tenant/region.ts'
export { type RegionClient, type RegionClientOptions, regionClient, type Tenant } from './tenant/region-client.ts'
export { type ApiRequest, type TenantApi, type TenantApiOptions, tenantApi } from './tenant/tenant-api.ts'
export { type AnonymousTokensOptions, anonymousTokens } from './tokens/anonymous-tokens.ts'
export type { SharedTokenOptions, TokenCache } from './tokens/cached-tokens.ts'
export { type ImpersonatedTokensOptions, impersonatedTokens } from './tokens/impersonated-tokens.ts'
export { type MachineTokensOptions, machineTokens } from './tokens/machine-tokens.ts'
export type { AccessTokenOptions, TokenSource } from './tokens/token-source.ts'
