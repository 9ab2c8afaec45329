/** Like minimal.ts, for two tenants. People choose theirs when they log in; where they are logged in says the rest. */
import type { IncomingMessage } from 'node:http'
import express from 'express'
import { qlikAuth, sessionCookie, type TenantOptions } from 'express-qlik-oauth'
import session from 'express-session'
import { memoryLoginStore } from 'qlik-oauth'
import { announce, port, publicUrl, registered } from './tenant.ts'

const registration = (tenant: string) => ({
  appType: 'web' as const,
  redirectUris: [`${publicUrl}/auth/callback/${new URL(tenant).host}`],
})
const tenants = new Map<string, TenantOptions>([
  ['north', await registered(registration, 'QLIK_NORTH')],
  // Its pages may read, and nothing else: a tenant's own options take the place of the application's.
  [
    'south',
    { ...(await registered(registration, 'QLIK_SOUTH')), proxy: { allow: [{ path: '/api/**', methods: ['GET'] }] } },
  ],
])
const secret = process.env.SESSION_SECRET ?? 'for development only'

/**
 * `/auth/login?tenant=north` and pages below `/north` are about that tenant; everything else, `/qlik` too, about the
 * one where its user is logged in. With a host name for each tenant this is a look at the host name, and each tenant
 * gets its own `publicUrl`.
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
