import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type ErrorRequestHandler, type Express } from 'express'
import session, { MemoryStore, type SessionOptions } from 'express-session'
import { type LoginStore, memoryLoginStore } from 'qlik-oauth'
import type { SimulatedTenant } from 'qlik-tenant-simulator'
import {
  type QlikAuth,
  type QlikAuthOptions,
  type QlikEventName,
  type QlikEvents,
  qlikAuth,
  sessionCookie,
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

export interface ApplicationOptions extends Partial<Omit<QlikAuthOptions, 'session'>> {
  readonly session?: Partial<SessionOptions>
  readonly store?: LoginStore
  /** Adds the application's own routes, behind the session and the login routes. */
  readonly extend?: (app: Express, qlik: QlikAuth) => void
  readonly trustProxy?: number
}

export const sessionSecret = 'a-session-secret-for-tests'

/**
 * An application as the README mounts it, on a free port, with a client registered for it at the simulated tenant.
 *
 * @param given Options, or what makes them of the port.
 */
export async function startApplication(
  tenant: SimulatedTenant,
  given: ApplicationOptions | ((port: number) => ApplicationOptions) = {},
): Promise<Application> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const options = typeof given === 'function' ? given(port) : given
  const { session: sessionOptions = {}, extend, trustProxy, ...rest } = options
  const origin = `http://localhost:${port}`
  const publicUrl = options.publicUrl ?? origin
  const client = registered(tenant, publicUrl)

  const sessions: SessionOptions = {
    ...sessionCookie(publicUrl),
    secret: sessionSecret,
    store: new MemoryStore(),
    resave: false,
    saveUninitialized: false,
    ...sessionOptions,
  }
  const qlik = qlikAuth({
    ...(rest.tenants === undefined ? client : {}),
    publicUrl,
    store: memoryLoginStore(),
    ...rest,
    session: sessions,
  })
  const events: { name: QlikEventName; event: QlikEvents[QlikEventName] }[] = []
  for (const name of eventNames) qlik.on(name, event => events.push({ name, event }))

  const app = express()
  if (trustProxy !== undefined) app.set('trust proxy', trustProxy)
  app.use(session(sessions))
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
