import { createRequire } from 'node:module'
import { PassThrough } from 'node:stream'
import compression from 'compression'
import type express4or5 from 'express'
import type { RequestHandler } from 'express'
import session from 'express-session'
import helmet from 'helmet'
import morgan from 'morgan'

const load = createRequire(import.meta.url)
const discarded = { stream: { write: () => {} } }
const sessionOptions = { secret: 'a-session-secret-for-tests', resave: true, saveUninitialized: true, rolling: true }

/** Middleware that applications have in front of the proxy; each of them changes the response in another way. */
export const middlewareInFront: readonly (readonly [name: string, make: () => RequestHandler])[] = [
  ['morgan 1.10.0', () => morgan('combined', discarded)],
  ['morgan 1.12', () => load('morgan-1.12')('combined', discarded)],
  ['compression 1.8', () => compression({ threshold: 0 })],
  ['compression 1.7.4', () => load('compression-1.7')({ threshold: 0 })],
  ['http-compression', () => load('http-compression')({ threshold: 0 })],
  ['response-time 2.3.2', () => load('response-time')()],
  ['express-session 1.19', () => session(sessionOptions)],
  ['express-session 1.17', () => load('express-session-1.17')(sessionOptions)],
  ['cookie-session', () => withChange(load('cookie-session')({ secret: 'a-session-secret-for-tests' }))],
  ['helmet 8', () => helmet()],
  ['helmet 4', () => load('helmet-4')()],
  ['cors', () => load('cors')({ origin: 'https://other.example', credentials: true })],
  ['express-winston', winston],
  ['pino-http', () => load('pino-http')({}, new PassThrough().resume())],
  ['connect-timeout', () => load('connect-timeout')('60s')],
  [
    'express-rate-limit',
    () => load('express-rate-limit').rateLimit({ limit: 1000, validate: false, keyGenerator: () => 'all' }),
  ],
  ['express-prom-bundle', metrics],
  ['a wrapper of writeHead, write and end', () => wrapper],
  ['preset headers', () => preset],
]

/** Runs middleware as Express does, but on plain requests and responses. */
export function around(
  all: readonly RequestHandler[],
  listener: express4or5.RequestHandler,
): express4or5.RequestHandler {
  return (request, response, done) => {
    const run = (index: number): void => {
      const one = all[index]
      if (one === undefined) listener(request, response, done)
      else
        one(request, response, error => (error === undefined ? run(index + 1) : response.writeHead(503).end('timeout')))
    }
    run(0)
  }
}

function withChange(cookies: RequestHandler): RequestHandler {
  return (request, response, next) =>
    cookies(request, response, () => {
      Object.assign(request.session ?? {}, { visits: 1 })
      next()
    })
}

function winston(): RequestHandler {
  const { transports } = load('winston')
  const { logger, responseWhitelist } = load('express-winston')
  responseWhitelist.push('body')
  return logger({
    transports: [new transports.Stream({ stream: new PassThrough().resume() })],
    responseWhitelist: ['statusCode', 'body'],
  })
}

function metrics(): RequestHandler {
  const { Registry } = load('prom-client')
  return load('express-prom-bundle')({ promRegistry: new Registry(), includePath: true })
}

/** As agents that report errors and performance do it. */
const wrapper: RequestHandler = (_request, response, next) => {
  const { writeHead, write, end, setHeader } = response
  const bodies: Buffer[] = []
  const keep = (chunk: unknown): void => {
    if (typeof chunk === 'string' || Buffer.isBuffer(chunk)) bodies.push(Buffer.from(chunk))
  }
  Object.assign(response, {
    writeHead: (status: number, headers?: Record<string, string>) =>
      writeHead.call(response, status, { ...headers, 'x-traced': '1' }),
    setHeader: (name: string, value: string) => setHeader.call(response, name, value),
    write(chunk: Buffer) {
      keep(chunk)
      return write.call(response, chunk, 'utf8')
    },
    end(chunk: Buffer) {
      keep(chunk)
      return end.call(response, chunk, 'utf8')
    },
  })
  next()
}

const preset: RequestHandler = (_request, response, next) => {
  response.statusCode = 404
  response.statusMessage = 'Not Found'
  for (const [name, value] of [
    ['content-type', 'text/html'],
    ['content-length', '3'],
    ['etag', '"preset"'],
    ['cache-control', 'public'],
    ['vary', 'Origin'],
  ] as const)
    response.setHeader(name, value)
  next()
}
