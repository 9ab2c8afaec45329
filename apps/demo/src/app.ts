import express, { type Express } from 'express'
import type { QlikAuth } from 'express-qlik-oauth'
import session, { type SessionOptions } from 'express-session'
import type { Logger } from 'pino'
import { assets } from './assets.ts'
import { belowBasePath } from './base-path.ts'
import { securityHeaders } from './content-security-policy.ts'
import type { Environment } from './environment.ts'
import type { Health } from './health.ts'
import { requestLog } from './logger.ts'
import type { Metrics } from './metrics.ts'
import { accountPage } from './pages/account.ts'
import { appPages } from './pages/apps.ts'
import { errorPage, notFoundPage } from './pages/error.ts'
import { landingPage } from './pages/landing.ts'
import { publicPage } from './pages/public.ts'
import { singlePage } from './pages/single-page.ts'
import { statusPage } from './pages/status.ts'
import { views } from './pages/view.ts'
import type { SharedTokens } from './shared-tokens.ts'

export interface Demo {
  readonly environment: Environment
  readonly health: Health
  readonly logger: Logger
  readonly metrics: Metrics
  readonly qlik: QlikAuth
  readonly sessions: SessionOptions
  readonly sharedTokens: SharedTokens
}

/** The application. server.ts serves `/qlik` ahead of it. */
export function demoApp({ environment, health, logger, metrics, qlik, sessions, sharedTokens }: Demo): Express {
  const app = express()
  app.disable('x-powered-by').set('trust proxy', environment.trustedHops)
  views(app, environment)

  app.use(requestLog(logger), metrics.measure)
  app.use(health.routes, metrics.routes)
  app.use(securityHeaders(environment))
  app.use('/assets', assets())

  // Public pages come before the session, so that they are served while Redis is unavailable.
  app.use(landingPage(qlik), publicPage(qlik, environment), singlePage(qlik, environment))

  app.use(session(sessions))
  app.use(qlik.routes())
  app.use('/apps', qlik.requireLogin(), appPages(environment))
  app.use('/account', accountPage(qlik, environment))
  app.use('/status', qlik.requireLogin(), statusPage(environment, sharedTokens))

  app.use(qlik.optionalLogin(), notFoundPage, errorPage(logger))
  return belowBasePath(app, environment.publicUrl)
}
