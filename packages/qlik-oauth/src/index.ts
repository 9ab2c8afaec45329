// biome-ignore-all assist/source/organizeImports: the public names are grouped by what they are for.

/* Clients, grants and the token endpoint. */
export {
  type ClientAuthenticationOptions,
  type ClientTier,
  type QlikClient,
  type QlikClientOptions,
  type QlikClientSettings,
  qlikClient,
} from './protocol/client.ts'
export type { OpenConnection, OutboundOptions } from './protocol/outbound/outbound-options.ts'
export {
  type ClientAuthentication,
  type ClientAuthenticationParameters,
  type ClientKeys,
  clientSecretBasic,
  clientSecretPost,
  generateClientKeys,
  type KeyAlgorithm,
  type PrivateKeyOptions,
  privateKeyJwt,
  noClientAuthentication,
} from './protocol/client-authentication.ts'
export {
  anonymousEmbedGrant,
  authorizationCodeGrant,
  clientCredentialsGrant,
  type Grant,
  impersonationGrant,
  refreshTokenGrant,
  type UserLookup,
} from './protocol/grants.ts'
export { requestTokens, type TokenRequestOptions } from './protocol/token-endpoint.ts'
export type { TokenSet } from './protocol/token-set.ts'
export { revokeToken } from './protocol/revocation.ts'
export { currentUser, isQlikBot, type QlikUser } from './protocol/qlik-user.ts'

/* Errors, those of express-qlik-oauth included. */
export { type ErrorCode, errorCatalogue } from './protocol/error-catalogue.ts'
export {
  type ErrorDetails,
  QlikOAuthError,
  type TenantErrorDetail,
  TenantResponseError,
  TokenResponseError,
} from './protocol/errors.ts'

/* Token sources. */
export type { AccessTokenOptions, TokenSource } from './tokens/token-source.ts'
export type { SharedTokenOptions, TokenCache } from './tokens/cached-tokens.ts'
export { type MachineTokensOptions, machineTokens } from './tokens/machine-tokens.ts'
export { type ImpersonatedTokensOptions, impersonatedTokens } from './tokens/impersonated-tokens.ts'
export { type AnonymousTokensOptions, anonymousTokens } from './tokens/anonymous-tokens.ts'

/* Logins in native applications; express-qlik-oauth has those of web applications. */
export { type LoopbackLogin, type LoopbackLoginOptions, loopbackLogin } from './native/loopback-login.ts'
export { openSystemBrowser } from './native/system-browser.ts'

/* Stores of logins and tokens. */
export { type MemoryLoginStoreOptions, memoryLoginStore } from './stores/memory-login-store.ts'
export { type RedisLoginStoreEvent, type RedisLoginStoreOptions, redisLoginStore } from './redis/redis-login-store.ts'
export type { RedisClient } from './redis/clients/redis-client.ts'
export type {
  AuthorizationTransaction,
  LoginChangeSubscription,
  StoreLock,
  LoginChange,
  LoginEnding,
  LoginEndReason,
  LoginRecord,
  LoginStore,
  StoredLogin,
} from './stores/login-store.ts'

/* The REST API of a tenant, its OAuth clients, and the tenants of a region. */
export { type TenantApi, type TenantApiOptions, type TenantApiRequest, tenantApi } from './tenant/tenant-api.ts'
export type { TenantResponse } from './protocol/tenant-http.ts'
export {
  type ConsentMethod,
  type JsonPatchOperation,
  type NewClientSecret,
  type NewOAuthClient,
  type OAuthAppType,
  type OAuthClient,
  type OAuthClientSettings,
  type OAuthClients,
  oauthClients,
} from './tenant/oauth-clients.ts'
export { type RegionClient, type RegionClientOptions, type RegionTenant, regionClient } from './tenant/region-client.ts'
export { organizationOrigin, regionOfDataCenter, regionOrigin } from './tenant/region.ts'
