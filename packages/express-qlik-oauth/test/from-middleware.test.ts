import { once } from 'node:events'
import { createRequire } from 'node:module'
import { afterEach, describe, expect, it } from '@jest/globals'
import express, { type RequestHandler } from 'express'
import session from 'express-session'
import { WebSocket, WebSocketServer } from 'ws'
import { type FromMiddlewareOptions, fromMiddleware, qlikProxy } from '../src/index.ts'
import { publicUrl, tokenSource } from './support/rest-proxy.ts'
import { closeAll, closing, get, httpServer } from './support/wire.ts'

afterEach(closeAll)

declare module 'express-session' {
  interface SessionData {
    user?: string
  }
}

const load = createRequire(import.meta.url)
const secret = 'a-session-secret-for-tests-that-is-long'
const fromUser = (user: unknown, id?: string) =>
  typeof user === 'string' ? { user, ...(id === undefined ? {} : { id }) } : undefined

/** Logs in at `/login?user=…` and out at `/logout`, as the application does. */
async function application(
  middleware: readonly RequestHandler[],
  userOf: (request: express.Request) => { user: string; id?: string } | undefined,
  options: FromMiddlewareOptions = {},
  logIn: RequestHandler = (request, response) => {
    request.session.user = String(request.query.user)
    response.end()
  },
) {
  const { origin, server: tenant } = await httpServer((_request, response) => void response.end('tenant'))
  new WebSocketServer({ server: tenant })
  const tokens = tokenSource(origin)
  const authenticate = fromMiddleware(
    middleware,
    request => {
      const found = userOf(request)
      return found && { ...found, tokens }
    },
    options,
  )
  const qlik = qlikProxy({ publicUrl, authenticate })
  closing(() => qlik.close({ graceMs: 0 }))
  const app = express()
  app.use('/qlik', qlik.proxy())
  app.use(...middleware)
  app.get('/login', logIn)
  app.get('/logout', (request, response) => void request.session.destroy(() => response.end()))
  const { port, server } = await httpServer(app)
  qlik.attach(server)
  const cookieOf = async (path: string): Promise<string> =>
    ((await get(port, path)).headers['set-cookie'] ?? '').split(';')[0] ?? ''
  const open = async (cookie: string): Promise<{ closed: Promise<number> }> => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/qlik/app/1`, { origin: publicUrl, headers: { cookie } })
    closing(async () => socket.terminate())
    const closed = once(socket, 'close').then(([code]) => Number(code))
    await once(socket, 'open')
    return { closed }
  }
  return { port, authenticate, cookieOf, open }
}

const sessions = () => session({ secret, resave: true, saveUninitialized: true, rolling: true })
const sessionUser = (request: express.Request) => fromUser(request.session.user, request.sessionID)

describe('fromMiddleware', () => {
  it('authenticates requests and upgrades by the session of the application, and sets no cookie', async () => {
    const { port, cookieOf, open } = await application([sessions()], sessionUser)
    expect((await get(port, '/qlik/api/v1/x')).status).toBe(401)
    const cookie = await cookieOf('/login?user=ada')
    const response = await get(port, '/qlik/api/v1/x', { cookie })
    expect([response.status, response.body]).toEqual([200, 'tenant'])
    expect(response.headers).not.toHaveProperty('set-cookie')
    await open(cookie)
  })

  it.each(['passport', 'passport-0.6'])('runs %s', async name => {
    const passport = new (load(name).Passport)()
    passport.serializeUser((user: { id: string }, done: (error: null, id: string) => void) => done(null, user.id))
    passport.deserializeUser((id: string, done: (error: null, user: object) => void) => done(null, { id }))
    const middleware = [
      session({ secret, resave: false, saveUninitialized: false }),
      passport.initialize(),
      passport.session(),
    ]
    const { port, cookieOf } = await application(
      middleware,
      request => fromUser(Reflect.get(Object(Reflect.get(request, 'user')), 'id'), request.sessionID),
      {},
      (request, response) =>
        void Reflect.apply(Reflect.get(Object(request), 'login'), request, [{ id: 'ada' }, () => response.end()]),
    )
    expect((await get(port, '/qlik/api/v1/x')).status).toBe(401)
    expect((await get(port, '/qlik/api/v1/x', { cookie: await cookieOf('/login') })).status).toBe(200)
  })

  it('runs cookie-session', async () => {
    const { port, cookieOf } = await application([load('cookie-session')({ keys: [secret], signed: false })], request =>
      fromUser(request.session?.user),
    )
    expect((await get(port, '/qlik/api/v1/x')).status).toBe(401)
    expect((await get(port, '/qlik/api/v1/x', { cookie: await cookieOf('/login?user=ada') })).status).toBe(200)
  })

  it('takes the status of an error from middleware such as express-jwt', async () => {
    const jwt: RequestHandler = load('express-jwt').expressjwt({ secret, algorithms: ['HS256'] })
    const { port } = await application([jwt], request => fromUser(Reflect.get(request, 'auth')?.sub))
    expect((await get(port, '/qlik/api/v1/x', { authorization: 'Bearer no.token.here' })).status).toBe(401)
  })

  it.each<[string, RequestHandler, number, string]>([
    ['responds 403', (_request, response) => void response.status?.(403), 403, 'login_required'],
    ['fails', (_request, _response, next) => next(new Error('the store is away')), 503, 'authentication_unavailable'],
    [
      'throws',
      () => {
        throw new TypeError('a mistake')
      },
      503,
      'authentication_unavailable',
    ],
    [
      'rejects',
      async () => {
        throw new Error('away')
      },
      503,
      'authentication_unavailable',
    ],
    ['never calls next', () => {}, 503, 'authentication_unavailable'],
    [
      'redirects',
      (_request, response) => void response.writeHead(302, { location: '/login' }).end(),
      401,
      'login_required',
    ],
  ])('refuses a request whose middleware %s', async (title, broken, status, code) => {
    const middleware: RequestHandler =
      title === 'responds 403'
        ? (_request, response) => {
            response.statusCode = 403
            response.end('no')
          }
        : broken
    const { port } = await application([middleware], () => fromUser('ada'), { timeoutMs: 50 })
    const response = await get(port, '/qlik/api/v1/x')
    expect([response.status, JSON.parse(response.body).errors[0].code]).toEqual([status, code])
    expect(response.body).not.toContain('away')
  })

  it('keeps two users at once apart', async () => {
    const { port, cookieOf } = await application([sessions()], sessionUser)
    const cookies = await Promise.all(['ada', 'ben'].map(user => cookieOf(`/login?user=${user}`)))
    const statuses = await Promise.all([...cookies, 'other=1'].map(cookie => get(port, '/qlik/api/v1/x', { cookie })))
    expect(statuses.map(({ status }) => status)).toEqual([200, 200, 401])
  })

  it('ends the sockets of a session or a user at once when told so, and no others', async () => {
    const { authenticate, cookieOf, open } = await application([sessions()], sessionUser)
    const [ada, ben] = [await open(await cookieOf('/login?user=ada')), await open(await cookieOf('/login?user=ben'))]
    authenticate.end({ user: 'ada' })
    expect(await ada.closed).toBe(4006)
    authenticate.end({ id: 'unknown' })
    const later = new Promise(resolve => setImmediate(resolve, 'open'))
    expect(await Promise.race([ben.closed, later])).toBe('open')
  })

  it('notices within recheckSeconds that a session has ended or has another user', async () => {
    const { port, cookieOf, open } = await application([sessions()], sessionUser, { recheckSeconds: 1 })
    const cookies = [await cookieOf('/login?user=ada'), await cookieOf('/login?user=ben')]
    const [ada, ben] = await Promise.all(cookies.map(open))
    await get(port, '/logout', { cookie: cookies[0] ?? '' })
    await get(port, '/login?user=eve', { cookie: cookies[1] ?? '' })
    expect([await ada?.closed, await ben?.closed]).toEqual([4006, 4006])
  })
})
