import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** A browser's session at the tenant, with or without a logged-in user. */
export interface LoginSession {
  readonly id: string
  readonly userId: string | undefined
  /** Time of the login, in milliseconds since the epoch. */
  readonly authTime: number
  /** Binds forms to the browser. It survives the change of session id at login, so that several tabs can log in. */
  readonly formKey: string
}

/** An authorization request that waits for login or consent. */
export interface Interaction {
  readonly id: string
  readonly clientId: string
  readonly redirectUri: string
  readonly scope: readonly string[]
  readonly state: string
  readonly challenge: string | undefined
  readonly loginHint: string | undefined
  readonly askConsent: boolean
  /** Logins before this time, in milliseconds since the epoch, require a new login. */
  readonly loginAfter: number
}

/** Sessions, pending authorization requests and consents. */
export interface LoginSessions {
  /** The session of a request. */
  of(request: IncomingMessage): LoginSession | undefined
  /** Starts a session under a new id and ends the browser's previous session. */
  begin(request: IncomingMessage, userId?: string): { session: LoginSession; cookie: string }
  /** Ends the session of a request. @returns `Set-Cookie` that removes the cookie */
  end(request: IncomingMessage): string
  /** Ends all sessions of a user. */
  endUser(userId: string): void
  /** The CSRF token of a form for this session. */
  formToken(session: LoginSession, interactionId: string): string
  isFormToken(session: LoginSession, interactionId: string, token: string): boolean
  /** Stores an authorization request. */
  open(interaction: Omit<Interaction, 'id'>): Interaction
  find(interactionId: string): Interaction | undefined
  close(interactionId: string): void
  consented(userId: string, clientId: string): ReadonlySet<string>
  rememberConsent(userId: string, clientId: string, scope: readonly string[]): void
}

/**
 * Creates the store.
 *
 * @param cookieName - Cookies are shared by all ports of a host, so each tenant needs its own name.
 */
export function loginSessions(cookieName: () => string, now: () => number, lifeSeconds: number): LoginSessions {
  const sessions = new Map<string, LoginSession>()
  const interactions = new Map<string, Interaction>()
  const consents = new Map<string, Set<string>>()
  const key = randomBytes(32)
  const startedAt = new Map<string, number>()

  const sessionId = (request: IncomingMessage) =>
    (request.headers.cookie ?? '')
      .split('; ')
      .find(pair => pair.startsWith(`${cookieName()}=`))
      ?.slice(cookieName().length + 1)
  const of = (request: IncomingMessage) => {
    const id = sessionId(request) ?? ''
    return (startedAt.get(id) ?? 0) + lifeSeconds * 1000 > now() ? sessions.get(id) : undefined
  }
  const remove = (request: IncomingMessage) => sessions.delete(sessionId(request) ?? '')
  const formToken = (session: LoginSession, interactionId: string) =>
    createHmac('sha256', key).update(`${session.formKey} ${interactionId}`).digest('base64url')

  return {
    of,
    begin(request, userId) {
      const formKey = of(request)?.formKey ?? randomBytes(24).toString('base64url')
      remove(request)
      const session: LoginSession = { id: randomBytes(24).toString('base64url'), userId, authTime: now(), formKey }
      sessions.set(session.id, session)
      startedAt.set(session.id, now())
      return { session, cookie: `${cookieName()}=${session.id}; Path=/; HttpOnly; SameSite=Lax` }
    },
    end(request) {
      remove(request)
      return `${cookieName()}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0`
    },
    endUser(userId) {
      for (const session of sessions.values()) if (session.userId === userId) sessions.delete(session.id)
    },
    formToken,
    isFormToken(session, interactionId, token) {
      const expected = Buffer.from(formToken(session, interactionId))
      const received = Buffer.from(token)
      return expected.length === received.length && timingSafeEqual(expected, received)
    },
    open(parameters) {
      const interaction: Interaction = { ...parameters, id: randomBytes(18).toString('base64url') }
      interactions.set(interaction.id, interaction)
      const oldest = interactions.keys().next().value
      if (interactions.size > interactionLimit && oldest !== undefined) interactions.delete(oldest)
      return interaction
    },
    find: id => interactions.get(id),
    close: id => void interactions.delete(id),
    consented: (userId, clientId) => consents.get(`${userId} ${clientId}`) ?? new Set(),
    rememberConsent(userId, clientId, scope) {
      consents.set(`${userId} ${clientId}`, new Set([...(consents.get(`${userId} ${clientId}`) ?? []), ...scope]))
    },
  }
}

const interactionLimit = 10_000
