import { createServer, type RequestListener, type Server } from 'node:http'
import { type QlikEventName, type QlikProxy, qlikAuth, qlikProxy } from 'express-qlik-oauth'
import type { Logger } from 'pino'
import type { TokenSource } from 'qlik-oauth'
import { demoApp } from './app.ts'
import type { Environment } from './environment.ts'
import { createLogger } from './logger.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { publicMount } from './pages/public.ts'
import { sharedTokens } from './shared-tokens.ts'
import { openStores } from './stores.ts'

export interface RunningDemo {
  /** Stops accepting, lets requests finish, ends sockets, and lets go of Redis and the tenant. */
  close(): Promise<void>
}

/**
 * Starts the application and says so in the first line on standard output.
 *
 * @throws Error with code EADDRINUSE when the port is taken.
 */
export async function serve(environment: Environment): Promise<RunningDemo> {
  const { publicUrl, tenant } = environment
  const logger = createLogger(environment.logLevel)
  const metrics = createMetrics()
  const stores = openStores(environment, logger)
  const tokens = sharedTokens(environment, stores.logins)
  const qlik = qlikAuth({
    tenant,
    ...environment.webClient,
    publicUrl,
    session: stores.sessions,
    store: stores.logins,
    idleSeconds: environment.idleSeconds,
    absoluteSeconds: environment.absoluteSeconds,
    loginRateLimit: environment.loginRateLimit,
    cacheSeconds: 2,
    proxy: { onEvent: event => report(`proxy ${event.type}`, event, logger, metrics) },
  })
  const visitors = tokens.anonymous && publicProxy(tokens.anonymous, publicUrl)

  const app: RequestListener = demoApp({
    environment,
    logger,
    metrics,
    qlik,
    sessions: stores.sessions,
    sharedTokens: tokens,
  })
  // The proxies answer ahead of Express, which would cost each of their requests more than the proxying itself.
  const server = createServer(qlik.handler(visitors?.handler(app) ?? app))
  // Uploads through the proxy may take longer than Node's five minutes; the proxy has limits of its own for those that
  // stand still.
  server.requestTimeout = 0
  qlik.attach(server)
  visitors?.attach(server)

  const close = async () => {
    const drained = drain(server)
    await Promise.all([qlik.close(), visitors?.close(), tokens.close()])
    await drained
    await stores.close()
  }
  try {
    await listen(server, environment.port)
  } catch (error) {
    await close()
    throw error
  }
  process.stdout.write(
    `${JSON.stringify({ msg: 'listening', url: publicUrl, port: environment.port, tenant, pid: process.pid })}\n`,
  )

  for (const event of watched) qlik.on(event, details => report(event, details, logger, metrics))
  if (environment.redisUrl === undefined)
    logger.warn('REDIS_URL is not set: logins live in the memory of this one process')
  void warnWhenAway(tenant, logger)
  return { close }
}

/** A second proxy beside the one for people: another mount, and one access for everybody, which may read. */
function publicProxy(tokens: TokenSource, publicUrl: string): QlikProxy {
  const allow = ['/api/**', '/resources/**', '/assets/**', '/qlik-embed/**'].map(path => ({
    path,
    methods: ['GET', 'HEAD'],
  }))
  return qlikProxy({ authenticate: async () => ({ tokens }), publicUrl, mount: publicMount, proxy: { allow } })
}

const watched = [
  'login',
  'loginEnded',
  'refresh',
  'refreshFailed',
  'revocationFailed',
  'saveFailed',
  'denied',
  'warning',
] as const satisfies readonly QlikEventName[]

const expected = new Set(['login', 'loginEnded', 'refresh', 'proxy refused'])

function report(event: string, details: object, logger: Logger, metrics: Metrics): void {
  metrics.count(event)
  const level = expected.has(event) ? 'info' : 'warn'
  // Events carry no secret; users are named by their id alone.
  const { user, ...others } = details as { user?: { id: string } }
  logger[level](user === undefined ? others : { ...others, user: user.id }, event)
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function drain(server: Server): Promise<void> {
  if (!server.listening) return Promise.resolve()
  return new Promise(resolve => {
    server.close(() => resolve())
    setTimeout(() => server.closeAllConnections(), drainMs).unref()
  })
}

const drainMs = 6000

/** A tenant that does not answer is worth a line, not an end: it may come back. */
async function warnWhenAway(tenant: string, logger: Logger): Promise<void> {
  try {
    const answer = await fetch(`${tenant}/.well-known/oauth-authorization-server`, {
      signal: AbortSignal.timeout(5000),
      redirect: 'manual',
    })
    await answer.body?.cancel()
    if (!answer.ok)
      logger.warn({ tenant, status: answer.status }, 'the tenant answers, but not like one: check QLIK_TENANT_URL')
  } catch {
    logger.warn({ tenant }, 'the tenant does not answer: nobody can log in until it does')
  }
}
