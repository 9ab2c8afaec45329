/**
 * A whole application with a login, as the README of each library mounts it: `application.ts <name> <surroundings as
 * JSON>` prints its port.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { RedisStore } from 'connect-redis'
import express, { type Express } from 'express'
import openIdConnect from 'express-openid-connect'
import { type QlikAuth, qlikAuth, sessionCookie } from 'express-qlik-oauth'
import session from 'express-session'
import { Redis } from 'ioredis'
import { redisLoginStore } from 'qlik-oauth'
import {
  type ApplicationName,
  clientOptions,
  landing,
  openIdUrl,
  publicUrl,
  type Surroundings,
  sessionSecret,
  tokenKey,
} from '../support/setting.ts'

const [, , name = '', surroundings = '{}'] = process.argv
const { redisPort, tenant } = JSON.parse(surroundings) as Surroundings
const redis = new Redis({ port: redisPort, host: '127.0.0.1' })

function qlik(cacheSeconds: number): { app: Express; auth: QlikAuth } {
  const sessions = {
    ...sessionCookie(publicUrl),
    secret: sessionSecret,
    store: new RedisStore({ client: redis, ttl: 43_200 }),
    resave: false,
    saveUninitialized: false,
  }
  const auth = qlikAuth({
    tenant,
    ...clientOptions,
    publicUrl,
    session: sessions,
    store: redisLoginStore(redis, { keys: [tokenKey] }),
    cacheSeconds,
    // All logins come from one address: counted as always, but never too many.
    loginRateLimit: 1_000_000_000,
  })
  const app = express()
  app.set('trust proxy', 1)
  app.use(session(sessions))
  app.use(auth.routes())
  app.get(
    landing,
    auth.requireLogin(),
    (request, response) => void response.send(`Logged in as ${request.qlik?.user.name}`),
  )
  return { app, auth }
}

function openId(): Express {
  const app = express()
  app.use(
    openIdConnect.auth({
      issuerBaseURL: tenant,
      baseURL: openIdUrl,
      clientID: clientOptions.clientId,
      clientSecret: clientOptions.clientSecret,
      secret: sessionSecret,
      authRequired: false,
      authorizationParams: {
        response_type: 'code',
        response_mode: 'query',
        scope: 'openid profile email offline_access',
      },
      session: { store: new RedisStore({ client: redis, prefix: 'sess:' }) as never },
    }),
  )
  app.get(
    landing,
    openIdConnect.requiresAuth(),
    (request, response) => void response.send(`Logged in as ${request.oidc.user?.name}`),
  )
  return app
}

const applications: Readonly<Record<ApplicationName, () => ReturnType<typeof createServer>>> = {
  'this project': () => served(0),
  'this project, cached': () => served(5),
  'express-openid-connect': () => createServer(openId()),
}

function served(cacheSeconds: number): ReturnType<typeof createServer> {
  const { app, auth } = qlik(cacheSeconds)
  return auth.attach(createServer(auth.handler(app)))
}

const server = applications[name as ApplicationName]()
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`),
)
process.on('SIGTERM', () => process.exit(0))
