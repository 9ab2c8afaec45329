/** One proxy under measurement: `rest-proxy.ts <name> <surroundings as JSON>` prints its port. */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { RedisStore } from 'connect-redis'
import express from 'express'
import openIdConnect from 'express-openid-connect'
import { qlikAuth, sessionCookie } from 'express-qlik-oauth'
import session, { type SessionOptions } from 'express-session'
import { createProxyMiddleware } from 'http-proxy-middleware'
import { Redis } from 'ioredis'
import { redisLoginStore } from 'qlik-oauth'
import { type Dispatcher, Pool } from 'undici'
import {
  clientOptions,
  publicUrl,
  type Subject,
  type Surroundings,
  sessionSecret,
  tokenKey,
} from '../support/setting.ts'

const [, , name = '', surroundings = '{}'] = process.argv
const { redisPort, tenant } = JSON.parse(surroundings) as Surroundings

function redis(): Redis {
  return new Redis({ port: redisPort, host: '127.0.0.1' })
}

function sessions(): SessionOptions {
  return {
    ...sessionCookie(publicUrl),
    secret: sessionSecret,
    store: new RedisStore({ client: redis() }),
    resave: false,
    saveUninitialized: false,
  }
}

function qlik(cacheSeconds: number) {
  return qlikAuth({
    tenant,
    ...clientOptions,
    publicUrl,
    session: sessions(),
    store: redisLoginStore(redis(), { keys: [tokenKey] }),
    cacheSeconds,
  })
}

/**
 * As the README shows it, except that the session cookie is removed: without this it is faster and leaks the cookie to
 * the tenant.
 */
function proxyMiddleware(tokenOf: (request: express.Request) => string | undefined) {
  return createProxyMiddleware<express.Request, express.Response>({
    target: tenant,
    changeOrigin: true,
    on: {
      proxyReq(proxyRequest, request) {
        proxyRequest.setHeader('authorization', `Bearer ${tokenOf(request)}`)
        proxyRequest.removeHeader('cookie')
      },
    },
  })
}

const listeners: Readonly<Record<Exclude<Subject, 'nginx'>, () => RequestListener>> = {
  undici() {
    const pool = new Pool(tenant, { connections: 256 })
    return (request, response) => {
      const path = (request.url ?? '/').slice('/qlik'.length)
      const handler: Dispatcher.DispatchHandler = {
        onConnect() {},
        onHeaders(status, headers, resume) {
          response.writeHead(status, headers.map(String)).on('drain', resume)
          return true
        },
        onData: chunk => response.write(chunk),
        onComplete: () => void response.end(),
        onError: () => void response.destroy(),
      }
      pool.dispatch({ method: 'GET', path, headers: { accept: request.headers.accept ?? '*/*' } }, handler)
    }
  },
  'ahead of Express, cached': () => qlik(5).handler(express()),
  'ahead of Express': () => qlik(0).handler(express()),
  'in Express': () => express().use('/qlik', qlik(0).proxy()),
  'express-session + http-proxy-middleware'() {
    const app = express()
    app.set('trust proxy', true)
    app.use(session({ ...sessions(), name: 'sid', cookie: { secure: false } }))
    return app.use(
      '/qlik',
      proxyMiddleware(request => (request.session as unknown as { accessToken?: string }).accessToken),
    )
  },
  'express-openid-connect + http-proxy-middleware'() {
    const app = express()
    app.use(
      openIdConnect.auth({
        issuerBaseURL: tenant,
        baseURL: 'http://localhost:3000',
        clientID: clientOptions.clientId,
        clientSecret: clientOptions.clientSecret,
        secret: sessionSecret,
        authRequired: false,
        authorizationParams: { response_type: 'code' },
        session: {
          store: new RedisStore({ client: redis(), prefix: 'openid:' }) as never,
          signSessionStoreCookie: false,
          requireSignedSessionStoreCookie: false,
        },
      }),
    )
    return app.use(
      '/qlik',
      openIdConnect.requiresAuth(),
      proxyMiddleware(request => request.oidc.accessToken?.access_token),
    )
  },
}

const server = createServer(listeners[name as Exclude<Subject, 'nginx'>]())
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`),
)
process.on('SIGTERM', () => process.exit(0))
