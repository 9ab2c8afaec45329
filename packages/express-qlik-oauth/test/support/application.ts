import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type ErrorRequestHandler, type Express } from 'express'
import session, { MemoryStore, type SessionOptions } from 'express-session'
import { memoryLoginStore, type OutboundOptions, type QlikClientOptions } from 'qlik-oauth'
import type { SimulatedTenant } from 'qlik-tenant-simulator'
import {
  type IncomingRequest,
  type QlikAuth,
  type QlikAuthOptions,
  type QlikEventName,
  type QlikEvents,
  qlikAuth,
  sessionCookie,
  type TenantOptions,
} from '../../src/index.ts'

export interface Application {
  readonly origin: string
  readonly qlik: QlikAuth
  readonly app: Express
  readonly server: Server
  readonly events: readonly { name: QlikEventName; event: QlikEvents[QlikEventName] }[]
  named<Name extends QlikEventName>(name: Name): QlikEvents[Name][]
  close(): Promise<void>
}

/** Options of `qlikAuth`; without `tenants` it gets a client registered at the simulated tenant. */
export interface ApplicationOptions
  extends Partial<Omit<QlikAuthOptions, keyof QlikClientOptions | 'tenants' | 'tenantOf' | 'session'>> {
  readonly clientId?: string
  readonly clientSecret?: string
  /** @default the origin of the simulated tenant */
  readonly tenant?: string
  readonly aliases?: readonly string[]
  readonly outbound?: OutboundOptions
  readonly apiVersion?: string
  readonly tenants?: readonly TenantOptions[]
  readonly tenantOf?: (request: IncomingRequest) => string | undefined
  readonly session?: Partial<SessionOptions>
  /** Adds the application's own routes, after the session and the login routes. */
  readonly extend?: (app: Express, qlik: QlikAuth) => void
  /** Adds middleware between `session()` and the login routes. */
  readonly prepare?: (app: Express) => void
  readonly trustProxy?: number
  /** @default Express 5 */
  readonly framework?: typeof express
}

export const sessionSecret = 'a-session-secret-for-tests'

/**
 * Starts an application that is mounted as in the README, on a free port, with a client registered at the simulated
 * tenant.
 *
 * @param initial Options, or a function that makes them for the port.
 */
export async function startApplication(
  tenant: SimulatedTenant,
  initial: ApplicationOptions | ((port: number) => ApplicationOptions) = {},
): Promise<Application> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const options = typeof initial === 'function' ? initial(port) : initial
  const {
    session: sessionOptions = {},
    extend,
    prepare,
    trustProxy,
    framework = express,
    tenants,
    tenantOf,
    tenant: tenantUrl,
    aliases,
    outbound,
    apiVersion,
    clientId,
    clientSecret,
    ...rest
  } = options
  const origin = `http://localhost:${port}`
  const publicUrl = options.publicUrl ?? origin

  const sessions: SessionOptions = {
    ...sessionCookie(publicUrl),
    secret: sessionSecret,
    store: new MemoryStore(),
    resave: false,
    saveUninitialized: false,
    ...sessionOptions,
  }
  const common = { publicUrl, store: memoryLoginStore(), ...rest, session: sessions }
  const client = registered(tenant, publicUrl)
  const qlik = qlikAuth(
    tenants !== undefined && tenantOf !== undefined
      ? { ...common, tenants, tenantOf }
      : {
          ...common,
          ...(aliases === undefined ? {} : { aliases }),
          ...(outbound === undefined ? {} : { outbound }),
          ...(apiVersion === undefined ? {} : { apiVersion }),
          tenant: tenantUrl ?? client.tenant,
          clientId: clientId ?? client.clientId,
          clientSecret: clientSecret ?? client.clientSecret,
        },
  )
  const events: { name: QlikEventName; event: QlikEvents[QlikEventName] }[] = []
  for (const name of eventNames) qlik.on(name, event => events.push({ name, event }))

  const app = framework()
  if (trustProxy !== undefined) app.set('trust proxy', trustProxy)
  app.use(session(sessions))
  prepare?.(app)
  app.use(qlik.routes())
  app.get('/', (_request, response) => void response.send('home'))
  app.get(
    ['/private', '/private/*rest'],
    qlik.requireLogin(),
    (request, response) => void response.json({ user: request.qlik?.user }),
  )
  extend?.(app, qlik)
  app.use(failed)
  server.on('request', qlik.handler(app))
  qlik.attach(server)

  return {
    origin,
    qlik,
    app,
    server,
    events,
    named: name => events.filter(one => one.name === name).map(one => one.event) as never,
    async close() {
      await qlik.close()
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

const eventNames = [
  'login',
  'loginEnded',
  'loginMoved',
  'refresh',
  'refreshFailed',
  'revocationFailed',
  'saveFailed',
  'denied',
  'warning',
] as const

const failed: ErrorRequestHandler = (error, _request, response, _next) => {
  response.status(error.status ?? 500).send(`${error.code}`)
}

function registered(tenant: SimulatedTenant, publicUrl: string) {
  const clientSecret = 'secret-of-the-test-application'
  const clientId = `test-${new URL(publicUrl).host}`
  tenant.registerClient({
    clientId,
    clientSecret,
    appType: 'web',
    redirectUris: [`${publicUrl}/auth/callback`],
    allowedScopes: ['user_default', 'offline_access'],
  } as never)
  return { tenant: tenant.origin, clientId, clientSecret }
}
