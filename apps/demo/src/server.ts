import { createServer, type RequestListener, type Server } from 'node:http'
import {
  type PathRule,
  type QlikEventName,
  type QlikProxy,
  qlikAuth,
  qlikProxy,
  type TokenSource,
} from 'express-qlik-oauth'
import type { Logger } from 'pino'
import { demoApp } from './app.ts'
import type { Environment } from './environment.ts'
import { createHealth } from './health.ts'
import { createLogger } from './logger.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { publicMount } from './pages/public.ts'
import { sharedTokens } from './shared-tokens.ts'
import { stopAccepting } from './stop-accepting.ts'
import { openStores } from './stores.ts'

export interface RunningDemo {
  /**
   * Fails `/readyz`, stops accepting connections, completes requests in progress, closes sockets so that clients resume
   * in another process, and closes the connections to tenant and Redis. Takes less than nine seconds.
   */
  close(): Promise<void>
}

/**
 * Starts the application. The first line on standard output announces it: `{"msg":"listening","url":…}`.
 *
 * @throws Error with code EADDRINUSE when the port is in use.
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
    logout: { returnTo: '/?loggedOut=1' },
    cacheSeconds: 2,
    proxy: { onEvent: event => logEvent(`proxy ${event.type}`, event, logger, metrics) },
  })
  const anonymousProxy = tokens.anonymous && createAnonymousProxy(tokens.anonymous, environment)

  const health = createHealth(qlik.ready)
  const app: RequestListener = demoApp({
    environment,
    health,
    logger,
    metrics,
    qlik,
    sessions: stores.sessions,
    sharedTokens: tokens,
  })
  // The proxies are served ahead of Express, which would cost more per request than the proxying itself.
  const server = createServer(qlik.handler(anonymousProxy?.handler(app) ?? app))
  // Uploads may take longer than Node's five minutes; the proxy's own timeouts end stalled ones.
  server.requestTimeout = 0
  // Longer than balancers keep idle connections, 60 seconds at most of them: they would use one that was just closed.
  server.keepAliveTimeout = 65_000
  qlik.attach(server)
  anonymousProxy?.attach(server)

  const close = async () => {
    await health.stop()
    const { closed } = await stopAccepting(server, graceMs)
    await Promise.all([qlik.close({ graceMs }), anonymousProxy?.close({ graceMs })])
    await closed
    await tokens.close()
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

  for (const event of loggedEvents) qlik.on(event, details => logEvent(event, details, logger, metrics))
  if (environment.redisUrl === undefined)
    logger.warn('REDIS_URL is not set: logins are kept in the memory of this process')
  void warnIfUnavailable(tenant, logger)
  return { close }
}

/**
 * A second proxy, for visitors without a login: one principal for all of them, read-only REST, limits by client
 * address.
 */
function createAnonymousProxy(tokens: TokenSource, { publicUrl, trustedHops }: Environment): QlikProxy {
  const allow = ['/api/**', '/resources/**', '/assets/**', '/qlik-embed/**'].map(
    (path): PathRule => ({ path, methods: ['GET', 'HEAD'] }),
  )
  return qlikProxy({
    authenticate: async () => ({ tokens }),
    publicUrl,
    mount: publicMount,
    proxy: { allow, trustProxy: trustedHops },
  })
}

const loggedEvents = [
  'login',
  'loginEnded',
  'loginMoved',
  'refresh',
  'refreshFailed',
  'revocationFailed',
  'saveFailed',
  'denied',
  'warning',
] as const satisfies readonly QlikEventName[]

const routine = new Set(['login', 'loginEnded', 'loginMoved', 'refresh', 'proxy refused'])

function logEvent(event: string, details: object, logger: Logger, metrics: Metrics): void {
  metrics.count(event)
  const level = routine.has(event) ? 'info' : 'warn'
  // Events contain no secrets. Log users by id only.
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

const graceMs = 6000

/** Logs when the tenant is unavailable at start. The application starts all the same: the tenant may recover. */
async function warnIfUnavailable(tenant: string, logger: Logger): Promise<void> {
  try {
    const metadata = await fetch(`${tenant}/.well-known/oauth-authorization-server`, {
      signal: AbortSignal.timeout(5000),
      redirect: 'manual',
    })
    await metadata.body?.cancel()
    if (!metadata.ok)
      logger.warn({ tenant, status: metadata.status }, 'QLIK_TENANT_URL does not respond like a Qlik Cloud tenant')
  } catch {
    logger.warn({ tenant }, 'tenant unavailable: logins fail until it responds')
  }
}
