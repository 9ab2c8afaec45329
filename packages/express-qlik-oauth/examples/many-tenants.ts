/** Like minimal.ts, for two tenants. Users choose their tenant at login; afterwards the login decides. */
import type { IncomingMessage } from 'node:http'
import express from 'express'
import { memoryLoginStore, qlikAuth, sessionCookie, type TenantOptions } from 'express-qlik-oauth'
import session from 'express-session'
import { announce, port, publicUrl, registered } from './tenant.ts'

const registration = (tenant: string) => ({
  appType: 'web' as const,
  redirectUris: [`${publicUrl}/auth/callback/${new URL(tenant).host}`],
})
const tenants = new Map<string, TenantOptions>([
  ['north', await registered(registration, 'QLIK_NORTH')],
  // Read-only: a tenant's own options override the application's.
  [
    'south',
    { ...(await registered(registration, 'QLIK_SOUTH')), proxy: { allow: [{ path: '/api/**', methods: ['GET'] }] } },
  ],
])
const secret = process.env.SESSION_SECRET ?? 'for development only'

/**
 * `/auth/login?tenant=north` and pages below `/north` name the tenant; for all other paths, `/qlik` too, the login
 * decides. If each tenant has its own host name, read that instead, and give each tenant its `publicUrl`.
 */
function tenantOf({ url = '', originalUrl = url }: IncomingMessage & { originalUrl?: string }): string | undefined {
  const { pathname, searchParams } = new URL(originalUrl, publicUrl)
  const name = pathname === '/auth/login' ? searchParams.get('tenant') : pathname.split('/')[1]
  return tenants.get(name ?? '')?.tenant
}

const sessions = {
  ...sessionCookie(publicUrl),
  secret,
  store: new session.MemoryStore(),
  resave: false,
  saveUninitialized: false,
}
const qlik = qlikAuth({
  tenants: [...tenants.values()],
  tenantOf,
  publicUrl,
  session: sessions,
  store: memoryLoginStore(),
})

const app = express()
app.use('/qlik', qlik.proxy())
app.use(session(sessions))
app.use(qlik.routes())
app.get('/', (_req, res) => {
  const links = [...tenants.keys()].map(
    name => `<a href="/auth/login?tenant=${name}&amp;returnTo=/${name}">${name}</a>`,
  )
  res.send(`<!doctype html><title>Tenants</title>${links.join(' ')}`)
})
app.get('/:tenant', (req, res, next) => {
  if (!tenants.has(req.params.tenant)) return next()
  qlik.optionalLogin()(req, res, () => {
    if (req.qlik) res.type('text').send(`${req.qlik.user.name} at ${req.params.tenant}`)
    else res.redirect(`/auth/login?tenant=${req.params.tenant}&returnTo=/${req.params.tenant}`)
  })
})

const server = qlik.attach(app.listen(port))
announce(server)
