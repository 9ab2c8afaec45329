import type { ClientRegistration } from './clients.ts'
import type { Space } from './resources.ts'
import type { TenantUser } from './users.ts'

/** Users of a new tenant. */
export const defaultUsers: readonly TenantUser[] = [
  {
    id: 'ada',
    name: 'Ada Lovelace',
    email: 'ada@example.com',
    subject: 'idp|ada',
    roles: ['AnalyticsDeveloper'],
    spaces: ['space-analytics', 'space-finance'],
    description: 'Analytics developer: can open all apps',
  },
  {
    id: 'ben',
    name: 'Ben Okafor',
    email: 'ben@example.com',
    subject: 'idp|ben',
    spaces: ['space-analytics'],
    description: 'Business user: can open the apps of the shared space',
  },
  {
    id: 'cleo',
    name: 'Cleo Marchetti',
    email: 'cleo@example.com',
    subject: 'idp|cleo',
    description: 'New colleague: cannot open any apps yet',
  },
  {
    id: 'tess',
    name: 'Tess Nakamura',
    email: 'tess@example.com',
    subject: 'idp|tess',
    roles: ['TenantAdmin'],
    spaces: ['space-analytics', 'space-finance'],
    description: 'Tenant administrator',
  },
  {
    id: 'dan',
    name: 'Dan Petrov',
    email: 'dan@example.com',
    subject: 'idp|dan',
    status: 'disabled',
    description: 'Left the company: disabled',
  },
]

/** Clients of a new tenant, registered for an application at port 3000. */
export const defaultClients: readonly ClientRegistration[] = [
  {
    clientId: 'demo-web',
    clientName: 'Demo web application',
    appType: 'web',
    clientSecret: 'demo-web-secret',
    redirectUris: ['http://localhost:3000/auth/callback', 'http://127.0.0.1:3000/auth/callback'],
  },
  {
    clientId: 'demo-m2m',
    clientName: 'Demo machine',
    appType: 'web',
    clientSecret: 'demo-m2m-secret',
    allowedScopes: ['user_default', 'admin_classic'],
    allowedGrantTypes: ['client_credentials'],
  },
  {
    clientId: 'demo-impersonation',
    clientName: 'Demo impersonation',
    appType: 'web',
    clientSecret: 'demo-impersonation-secret',
    allowedScopes: ['user_default'],
    allowedGrantTypes: ['urn:qlik:oauth:user-impersonation'],
  },
  {
    clientId: 'demo-spa',
    clientName: 'Demo single-page application',
    appType: 'spa',
    redirectUris: ['http://localhost:3000/spa/callback', 'http://127.0.0.1:3000/spa/callback'],
    allowedOrigins: ['http://localhost:3000', 'http://127.0.0.1:3000'],
    allowedScopes: ['user_default'],
  },
  {
    clientId: 'demo-native',
    clientName: 'Demo command line',
    appType: 'native',
    redirectUris: ['http://127.0.0.1/callback', 'http://[::1]/callback'],
    allowedScopes: ['user_default', 'admin_classic', 'offline_access'],
  },
  {
    clientId: 'demo-anonymous',
    clientName: 'Demo public page',
    appType: 'anonymous-embed',
    allowedOrigins: ['http://localhost:3000', 'http://127.0.0.1:3000'],
    allowedScopes: ['user_default'],
    accessCodes: ['demo-access-code'],
  },
  {
    clientId: 'demo-region',
    clientName: 'Demo region client',
    appType: 'web',
    clientSecret: 'demo-region-secret',
    allowedScopes: ['admin_classic', 'tenants:create', 'tenants:deactivate', 'tenants:reactivate'],
    allowedGrantTypes: ['client_credentials'],
    tier: 'region',
  },
  {
    clientId: 'demo-organization',
    clientName: 'Demo organization client',
    appType: 'web',
    clientSecret: 'demo-organization-secret',
    allowedScopes: ['admin_classic'],
    allowedGrantTypes: ['client_credentials'],
    tier: 'organization',
  },
]

const created = { ownerId: 'tess', createdAt: '2026-01-12T08:00:00.000Z', updatedAt: '2026-01-12T08:00:00.000Z' }

/** Spaces of a new tenant. */
export const defaultSpaces: readonly Space[] = [
  { id: 'space-analytics', name: 'Analytics', description: 'Apps for all users', type: 'shared', ...created },
  { id: 'space-finance', name: 'Finance', description: 'Apps for the finance team', type: 'shared', ...created },
]
