import type { ProxiedMethod } from './proxied-method.ts'

/** A path of the tenant's API that stays closed unless the application names it. */
export interface CredentialPath {
  /** The path and everything below it; `*` stands for one segment, `$` at the end excludes what is below. */
  readonly path: string
  /** Methods that it is closed to. @default all */
  readonly methods?: readonly ProxiedMethod[]
  readonly reason: string
}

/**
 * Paths that return, create or change credentials, or decide who can get one. A script in a page must not be able to
 * turn a login, which ends, into something that outlives it. Derived from Qlik's REST reference, path by path.
 */
export const credentialPaths: readonly CredentialPath[] = [
  { path: '/api/v1/api-keys', reason: 'creates API keys: bearer tokens that outlive the login' },
  { path: '/api/v1/oauth-clients', reason: 'registers OAuth clients and returns their secrets' },
  { path: '/api/v1/oauth-tokens', reason: 'lists and revokes the OAuth tokens of users' },
  { path: '/api/v1/csrf-token', reason: 'returns the CSRF token of a session at the tenant' },
  { path: '/api/v1/web-integrations', reason: 'opens sessions at the tenant to pages of other origins' },
  { path: '/api/v1/identity-providers', reason: 'decides who can log in; takes client secrets and signing keys' },
  { path: '/api/v1/users$', methods: ['POST'], reason: 'creates an account that can log in, with any role' },
  { path: '/api/v1/users/actions/invite', reason: 'invites an account that can log in, also by e-mail' },
  { path: '/api/core/ip-policies', reason: 'decides from which addresses credentials are accepted' },
  { path: '/api/core/auth-settings', reason: 'decides how clients register and authenticate' },
  ...['api-keys', 'oauth-clients', 'oauth-tokens', 'csrf-token', 'web-integrations', 'identity-providers'].map(
    name => ({
      path: `/api/*/${name}`,
      reason: 'the same in another version of the API',
    }),
  ),
  { path: '/api/v1/encryption', reason: "changes the keys that the tenant's data are encrypted with" },
  { path: '/api/v1/transports', reason: 'takes the password and client secret of the mail server' },
  { path: '/api/v1/webhooks', reason: 'returns and takes the headers and secrets of deliveries' },
  { path: '/api/v1/data-credentials', reason: 'returns user names of data sources, takes their passwords' },
  { path: '/api/connectivity/data-credentials', reason: 'returns user names of data sources, takes their passwords' },
  { path: '/api/v1/data-connections', reason: 'returns `qConnectionSecret`, takes passwords' },
  { path: '/api/connectivity/data-connections', reason: 'returns `qConnectionSecret`, takes passwords' },
  { path: '/api/connectivity/data-sources/endpoints', reason: 'returns connections with their passwords' },
  { path: '/api/v1/dcaas', reason: 'creates data connections with their credentials' },
  { path: '/api/v1/automations$', reason: 'returns `executionToken`, which starts an automation without a login' },
  { path: '/api/v1/automations/*$', reason: 'returns `executionToken`, which starts an automation without a login' },
  { path: '/api/workflows/automations$', reason: 'returns `executionToken`' },
  { path: '/api/workflows/automations/*$', reason: 'returns `executionToken`' },
  { path: '/api/v1/automation-connections', reason: 'creates connections with their credentials' },
  { path: '/api/workflows/automation-connections', reason: 'creates connections with their credentials' },
  { path: '/api/workflows/automation-connectors', reason: 'returns the configuration of webhooks' },
]

/**
 * Paths of Qlik's reference that were considered and are open: they change what accounts may do, not who has one. The
 * tenant checks the user's own rights for each request, and undoing them is the administrator's, as with any change.
 */
export const consideredPaths: readonly CredentialPath[] = [
  { path: '/api/v1/users/*', methods: ['PATCH', 'DELETE'], reason: 'changes roles and status of accounts that exist' },
  { path: '/api/v1/users/actions/filter', reason: 'finds users' },
  { path: '/api/v1/roles', reason: 'defines roles' },
  { path: '/api/v1/groups', reason: 'assigns roles to groups of the identity provider' },
  { path: '/api/v1/spaces/*/assignments', reason: 'assigns roles in a space' },
  {
    path: '/api/v1/licenses/overview',
    reason: "returns the licence key, which authenticates no user; Qlik's embedded pages read it",
  },
  { path: '/api/v1/licenses/assignments', reason: 'assigns licences' },
  {
    path: '/api/v1/tenants',
    reason: "served for a region's clients by the register host; the tenant's own settings else",
  },
  { path: '/api/v1/tenant-settings', reason: 'switches features of the tenant' },
  { path: '/api/v1/csp-origins', reason: 'decides which origins may embed the tenant, without a login' },
  { path: '/api/v1/quotas', reason: 'reads limits' },
]

/**
 * Finds the entry that a path belongs to.
 *
 * @param barePath As `barePath` of path-syntax.ts makes it.
 */
export function credentialPath(barePath: string, method: string): CredentialPath | undefined {
  if (!anyEntry.test(barePath)) return undefined
  return entries.find(({ entry, pattern }) => isClosedTo(entry, method) && pattern.test(barePath))?.entry
}

function isClosedTo({ methods }: CredentialPath, method: string): boolean {
  return methods === undefined || methods.some(closed => closed === method)
}

/** Whether a pattern of `allow` names an entry: with the same segments up to the first wildcard. */
export function namesCredentialPath(pattern: string, { path }: CredentialPath): boolean {
  const fixed = pattern.replace(/\*.*$/, '')
  const named = path.replace(/(?:\/\*)?\$?$/, '').replaceAll('*', '[^/]+')
  return new RegExp(`^${named}(?:/|$)`).test(fixed)
}

function source({ path }: CredentialPath): string {
  const segments = path.replace(/\$$/, '').replace(/[.]/g, '\\.').replaceAll('*', '[^/]+')
  return `^${segments}${path.endsWith('$') ? '$' : '(?:/|$)'}`
}

const entries = credentialPaths.map(entry => ({ entry, pattern: new RegExp(source(entry)) }))
const anyEntry = new RegExp(credentialPaths.map(source).join('|'))
