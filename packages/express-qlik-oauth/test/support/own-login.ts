import { randomBytes } from 'node:crypto'
import type { Express, Request } from 'express'
import { Passport } from 'passport'
import { Strategy } from 'passport-local'
import type { Browser } from './browser.ts'

/**
 * Adds what applications keep in a session: a login of their own with passport, a cart, and a CSRF secret that posts
 * must name.
 */
export function ownLogin(app: Express): void {
  const passport = new Passport()
  passport.use(new Strategy((name, password, done) => done(null, password === 'pass' ? { name } : false)))
  passport.serializeUser((user, done) => done(null, user))
  passport.deserializeUser((user: Express.User, done) => done(null, user))
  app.use(passport.session())

  app.get('/own', (request, response) => {
    ownData(request).csrfSecret ??= randomBytes(8).toString('hex')
    const { cookie: _, ...data } = request.session
    response.json({ ...data, user: request.user ?? null })
  })
  app.use('/own', (request, response, next) => {
    if (request.query.csrf === ownData(request).csrfSecret) next()
    else response.status(403).end()
  })
  app.post('/own/login', (request, response, next) => {
    const keepSessionInfo = request.query.keep !== undefined
    passport.authenticate('local', { keepSessionInfo })(request, response, (error?: unknown) => {
      if (error) next(error)
      else response.status(204).end()
    })
  })
  app.post('/own/logout', (request, response, next) => {
    request.logout(error => (error ? next(error) : response.status(204).end()))
  })
  app.post('/own/cart', (request, response) => {
    const data = ownData(request)
    data.cart = [...(data.cart ?? []), String(request.query.add)]
    response.status(204).end()
  })
  app.post('/own/destroy', (request, response, next) => {
    request.session.destroy(error => (error ? next(error) : response.status(204).end()))
  })
  app.post('/own/regenerate', (request, response, next) => {
    request.session.regenerate(error => (error ? next(error) : response.status(204).end()))
  })
}

interface OwnData {
  cart?: string[]
  csrfSecret?: string
}

function ownData({ session }: Request): OwnData {
  return session as unknown as OwnData
}

/** What a user does in the application itself. */
export interface OwnSession {
  /** The session's data, with passport's user. */
  data(): Promise<Record<string, unknown>>
  /** Sends a form of the application, with its CSRF token. @returns The status. */
  post(path: string, parameters?: Record<string, string>): Promise<number>
  logIn(name: string, parameters?: Record<string, string>): Promise<number>
}

export function ownSession(tab: Browser, origin: string): OwnSession {
  async function data(): Promise<Record<string, unknown>> {
    const response = await tab.get(`${origin}/own`)
    return (await response.json()) as Record<string, unknown>
  }
  async function post(path: string, parameters: Record<string, string> = {}): Promise<number> {
    const { csrfSecret } = await data()
    const query = new URLSearchParams({ csrf: String(csrfSecret), ...parameters })
    return (await tab.post(`${origin}/own/${path}?${query}`)).status
  }
  return {
    data,
    post,
    logIn: (username, parameters = {}) => post('login', { username, password: 'pass', ...parameters }),
  }
}
