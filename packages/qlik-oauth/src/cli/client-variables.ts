import type { NewOAuthClient, OAuthClient } from '../tenant/oauth-clients.ts'

/** The environment variables from which an application reads its client. */
export interface ClientVariables {
  readonly names: readonly string[]
  values(
    tenant: string,
    client: Pick<OAuthClient, 'clientId' | 'allowedScopes'> & { readonly clientSecret?: string },
  ): Record<string, string>
}

/** The variables of a client, which depend on its kind. */
export function clientVariables({
  appType,
  allowedGrantTypes = [],
}: Pick<NewOAuthClient, 'appType' | 'allowedGrantTypes'>): ClientVariables {
  const prefix = appType === 'web' ? webPrefix(allowedGrantTypes) : prefixes[appType]
  const logsUsersIn = prefix === 'QLIK_'
  return {
    names: [
      'QLIK_TENANT_URL',
      `${prefix}CLIENT_ID`,
      ...(appType === 'web' ? [`${prefix}CLIENT_SECRET`] : []),
      ...(logsUsersIn ? ['QLIK_SCOPE'] : []),
    ],
    values: (tenant, { clientId, clientSecret, allowedScopes }) => ({
      QLIK_TENANT_URL: tenant,
      [`${prefix}CLIENT_ID`]: clientId,
      ...(clientSecret === undefined ? {} : { [`${prefix}CLIENT_SECRET`]: clientSecret }),
      ...(logsUsersIn ? { QLIK_SCOPE: allowedScopes?.join(' ') ?? defaultScope } : {}),
    }),
  }
}

/** The scopes of a client that logs users in. */
export const defaultScope = 'user_default offline_access'

function webPrefix(grants: readonly string[]): string {
  if (grants.includes('client_credentials')) return 'QLIK_M2M_'
  return grants.includes('urn:qlik:oauth:user-impersonation') ? 'QLIK_IMPERSONATION_' : 'QLIK_'
}

const prefixes = { spa: 'QLIK_SPA_', native: 'QLIK_NATIVE_', 'anonymous-embed': 'QLIK_ANONYMOUS_' } as const
