/*
 * What express-qlik-oauth needs beyond the public names. Not covered by semantic versioning: applications must not
 * import it.
 */
export type { EmitLoginEvent, LoginEvents } from './logins/login-events.ts'
export {
  createLogins,
  type ListedLogin,
  type Login,
  type LoginDevice,
  type Logins,
  type LoginsOptions,
  loginKey,
} from './logins/logins.ts'
export { unlessAborted } from './protocol/abort.ts'
export {
  type AuthorizationRequest,
  type AuthorizationRequestOptions,
  createAuthorizationRequest,
  validateAuthorizationResponse,
} from './protocol/authorization.ts'
export { clientOptionNames, internalsOf } from './protocol/client.ts'
export { challenge, messageOf } from './protocol/errors.ts'
export { sha256 } from './protocol/hash.ts'
export { escapeHtml } from './protocol/html.ts'
export { isObject } from './protocol/json.ts'
export {
  configurationError,
  hasMethods,
  invalidOption,
  quoted,
  rejectUnknownNames,
  rejectUnknownOptions,
  requireOptions,
  scopeList,
  wholeNumber,
} from './protocol/option-checks.ts'
export { revokeTokens } from './protocol/revocation.ts'
export { type TenantHost, tenantHost } from './protocol/tenant-host.ts'
export { retryAfterSeconds, versionHeader } from './protocol/tenant-http.ts'
export { isLoopback, pathOnTenant, tenantOrigin } from './protocol/tenant-origin.ts'
export { defaultRefreshLeewaySeconds, missingScopes } from './protocol/token-set.ts'
export { ignoreForeign } from './stores/foreign-record.ts'
export { keyRing, type Seal } from './stores/seal.ts'
export { clientHostOf, hostOf } from './tokens/token-source.ts'
export { withAccessToken } from './tokens/with-access-token.ts'
