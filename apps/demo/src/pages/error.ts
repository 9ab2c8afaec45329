import type { ErrorRequestHandler, Request, RequestHandler } from 'express'
import { errorResponse, QlikOAuthError } from 'express-qlik-oauth'
import type { Logger } from 'pino'
import { show } from './view.ts'

/** The response when no route matches. */
export const notFoundPage: RequestHandler = (request, response) => {
  response.status(404)
  if (!acceptsPage(request))
    return void response.json({ errors: [{ code: 'not_found', title: 'Not found', status: '404' }] })
  show(request, response, 'message', { title: 'Not found', trace: undefined, ...notFound })
}

/** Renders an error: a page for browsers, JSON for other clients. Causes and stacks go to the log only. */
export function errorPage(logger: Logger): ErrorRequestHandler {
  return (error, request, response, next) => {
    if (response.headersSent) return next(error)
    const { status, headers, body } = errorResponse(error)
    const trace: string = JSON.parse(body).traceId
    if (status >= 500) logger.error({ err: error, trace, path: request.path }, 'request failed')

    response.status(status).set('cache-control', 'no-store')
    const retryAfter = headers['retry-after']
    if (retryAfter !== undefined) response.set('retry-after', retryAfter)
    if (!acceptsPage(request)) return void response.type('json').send(body)
    const message = messages[codeOf(error)] ?? (status >= 500 ? failed : refused)
    show(request, response, 'message', { title: message.eyebrow, trace: status >= 500 ? trace : undefined, ...message })
  }
}

interface Message {
  readonly eyebrow: string
  readonly heading: string
  readonly advice: string
  readonly actions: readonly { readonly href: string; readonly text: string }[]
  /** Whether the header shows "Log in" to users who are not logged in. @default true */
  readonly offersLogin?: boolean
}

const home = { href: '/', text: 'Go to the start page' }
const logIn = { href: '/auth/login?returnTo=%2Fapps', text: 'Log in' }
const logInAgain = { ...logIn, text: 'Log in again' }

const notFound: Message = {
  eyebrow: 'Not found',
  heading: 'This page doesn’t exist.',
  advice: 'It may have moved, or you don’t have access. Ask the owner of the app to share its space with you.',
  actions: [{ href: '/apps', text: 'See your apps' }, home],
}
const refused: Message = {
  eyebrow: 'Request refused',
  heading: 'This request is not allowed.',
  advice: 'Go back and try again from the page.',
  actions: [home],
}
const failed: Message = {
  eyebrow: 'Error',
  heading: 'Something went wrong.',
  advice: 'The error was logged. Try again in a moment.',
  actions: [home],
}
const tenantUnavailable: Message = {
  eyebrow: 'Qlik Cloud unavailable',
  heading: 'Qlik Cloud is not responding.',
  advice: 'If you were logged in, you still are. Try again in a minute.',
  actions: [{ href: '/apps', text: 'Try again' }, home],
}

const clientRejected: Message = {
  eyebrow: 'Login unavailable',
  heading: 'Qlik Cloud rejected this application.',
  advice:
    'This isn’t a problem with your account. The operator of this site must fix its OAuth client. The error was logged.',
  actions: [home],
}

const messages: Readonly<Partial<Record<string, Message>>> = {
  ERR_LOGIN_DENIED: {
    eyebrow: 'Login denied',
    heading: 'You are not logged in.',
    advice: 'You didn’t give this app access, or your account is disabled.',
    actions: [logInAgain, home],
  },
  ERR_CALLBACK_INVALID: {
    eyebrow: 'Login expired',
    heading: 'This login can no longer be completed.',
    advice: 'It took longer than ten minutes, was already completed, or was started in another browser.',
    actions: [logInAgain, home],
  },
  ERR_LOGIN_LOOP: {
    eyebrow: 'Cookies blocked',
    heading: 'Your browser does not keep you logged in.',
    advice: 'Allow cookies for this site, and open it at its official address.',
    actions: [home],
  },
  ERR_RATE_LIMIT: {
    eyebrow: 'Too many attempts',
    heading: 'Wait a minute, then log in.',
    advice: 'Too many logins were started from your network.',
    actions: [home],
  },
  ERR_SESSION_EXPIRED: {
    eyebrow: 'Logged out',
    heading: 'Your login has ended.',
    advice: 'It expired, or it was ended elsewhere.',
    actions: [logInAgain, home],
  },
  ERR_STORE_UNAVAILABLE: {
    eyebrow: 'Temporarily unavailable',
    heading: 'Logins can’t be checked right now.',
    advice: 'If you were logged in, you still are. Reload this page in a few seconds.',
    actions: [home],
    offersLogin: false,
  },
  ERR_INSUFFICIENT_SCOPE: {
    eyebrow: 'Not permitted',
    heading: 'Your login lacks a permission.',
    advice:
      'This page needs a scope that was not granted. Log in again and allow it, or ask your tenant administrator.',
    actions: [logIn, home],
  },
  ERR_ISSUER: clientRejected,
  ERR_TOKEN_REFUSED: clientRejected,
  ERR_TOKEN_RESPONSE: tenantUnavailable,
  ERR_TOKEN_UNAVAILABLE: tenantUnavailable,
  ERR_TENANT_UNREACHABLE: tenantUnavailable,
  ERR_TENANT_CONNECT_TIMEOUT: tenantUnavailable,
  ERR_TENANT_TIMEOUT: tenantUnavailable,
  ERR_TENANT_RESPONSE: tenantUnavailable,
}

function codeOf(error: unknown): string {
  return error instanceof QlikOAuthError ? error.code : ''
}

/** Scripts may accept HTML as well; `Sec-Fetch-Mode` tells them from navigations. */
function acceptsPage(request: Request): boolean {
  if (request.get('sec-fetch-dest') !== undefined && request.get('sec-fetch-mode') !== 'navigate') return false
  return request.accepts(['json', 'html']) === 'html'
}
