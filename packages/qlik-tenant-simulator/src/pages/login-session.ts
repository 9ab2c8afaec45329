import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** What the tenant knows of one browser. */
export interface LoginSession {
  readonly id: string
  readonly userId: string | undefined
  /** When the user logged in, in milliseconds. */
  readonly authTime: number
  /**
   * Ties forms to this browser; stays when the session id changes at login, so that several tabs may log in at once.
   */
  readonly formKey: string
}

/** An authorization request that waits for the user. */
export interface Interaction {
  readonly id: string
  readonly clientId: string
  readonly redirectUri: string
  readonly scope: readonly string[]
  readonly state: string
  readonly challenge: string | undefined
  readonly loginHint: string | undefined
  readonly askConsent: boolean
  /** A login before this moment does not count. */
  readonly loginAfter: number
}

export interface LoginSessions {
  of(request: IncomingMessage): LoginSession | undefined
  /** Begins a session under a new id; whatever the browser had before ends. */
  begin(request: IncomingMessage, userId?: string): { session: LoginSession; cookie: string }
  end(request: IncomingMessage): string
  endUser(userId: string): void
  /** Ties a form to the browser it was given to. */
  formToken(session: LoginSession, interactionId: string): string
  isFormToken(session: LoginSession, interactionId: string, token: string): boolean
  open(interaction: Omit<Interaction, 'id'>): Interaction
  find(interactionId: string): Interaction | undefined
  close(interactionId: string): void
  consented(userId: string, clientId: string): ReadonlySet<string>
  rememberConsent(userId: string, clientId: string, scope: readonly string[]): void
}

/** @param cookieName - Browsers do not tell ports apart, so two tenants on one host need two names. */
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
  const drop = (request: IncomingMessage) => sessions.delete(sessionId(request) ?? '')
  const formToken = (session: LoginSession, interactionId: string) =>
    createHmac('sha256', key).update(`${session.formKey} ${interactionId}`).digest('base64url')

  return {
    of,
    begin(request, userId) {
      const formKey = of(request)?.formKey ?? randomBytes(24).toString('base64url')
      drop(request)
      const session: LoginSession = { id: randomBytes(24).toString('base64url'), userId, authTime: now(), formKey }
      sessions.set(session.id, session)
      startedAt.set(session.id, now())
      return { session, cookie: `${cookieName()}=${session.id}; Path=/; HttpOnly; SameSite=Lax` }
    },
    end(request) {
      drop(request)
      return `${cookieName()}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0`
    },
    endUser(userId) {
      for (const session of sessions.values()) if (session.userId === userId) sessions.delete(session.id)
    },
    formToken,
    isFormToken(session, interactionId, token) {
      const expected = Buffer.from(formToken(session, interactionId))
      const given = Buffer.from(token)
      return expected.length === given.length && timingSafeEqual(expected, given)
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
