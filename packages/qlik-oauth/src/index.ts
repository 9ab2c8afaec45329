export { type AnonymousTokensOptions, anonymousTokens } from './anonymous-tokens.ts'
export {
  type AuthorizationRequest,
  type AuthorizationRequestOptions,
  authorizationRequest,
  authorizationResponse,
} from './authorization.ts'
export type { SharedTokenOptions, TokenCache } from './cached-tokens.ts'
export { type Client, type ClientOptions, client } from './client.ts'
export {
  type ClientAuthentication,
  type ClientProof,
  clientSecret,
  clientSecretBasic,
  type PrivateKeyOptions,
  privateKeyJwt,
  publicClient,
} from './client-authentication.ts'
export { type ClientKeys, generateClientKeys } from './client-keys.ts'
export { type ErrorCode, errorTable, QlikOAuthError, type RefusalDetail, TenantRefusalError, TokenResponseError } from './errors.ts'
export { anonymousEmbed, authorizationCode, clientCredentials, type Grant, impersonation, refreshToken, type UserLookup } from './grants.ts'
export { type ImpersonatedTokensOptions, impersonatedTokens } from './impersonated-tokens.ts'
export type { Login } from './login.ts'
export type { EmitLoginEvent, EndReason, LoginEvents } from './login-events.ts'
export type { Lock, LoginAttempt, LoginChange, LoginRecord, LoginStore, StoredLogin, Watch } from './login-store.ts'
export { createLogins, type Logins, type LoginsOptions, loginKey } from './logins.ts'
export { type LoopbackLogin, type LoopbackLoginOptions, loopbackLogin } from './loopback-login.ts'
export { type MachineTokensOptions, machineTokens } from './machine-tokens.ts'
export { type MemoryLoginStoreOptions, memoryLoginStore } from './memory-login-store.ts'
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
} from './oauth-clients.ts'
export { currentUser, isQlikBot, type QlikUser } from './qlik-user.ts'
export type { RedisClient, RedisSubscriber } from './redis-commands.ts'
export { type RedisLoginStoreEvent, type RedisLoginStoreOptions, redisLoginStore } from './redis-login-store.ts'
export { type RegionClient, type RegionClientOptions, regionClient, type Tenant } from './region-client.ts'
export { revokeTokens } from './revoke-tokens.ts'
export { missingScopes, scopeList } from './scope.ts'
export { keyRing, type Seal } from './seal.ts'
export { openSystemBrowser } from './system-browser.ts'
export { type ApiRequest, type TenantApi, type TenantApiOptions, tenantApi } from './tenant-api.ts'
export { isLoopback, tenantOrigin } from './tenant-origin.ts'
export { organizationOrigin, regionOfDataCenter, registerOrigin, type Tier } from './tier.ts'
export { requestTokens, revokeToken, type TokenRequestOptions } from './token-endpoint.ts'
export type { TokenSet } from './token-set.ts'
export type { AccessTokenOptions, TokenSource } from './token-source.ts'
