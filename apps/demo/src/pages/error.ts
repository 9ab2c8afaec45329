import type { ErrorRequestHandler, Request, RequestHandler } from 'express'
import { errorResponse } from 'express-qlik-oauth'
import type { Logger } from 'pino'
import { QlikOAuthError } from 'qlik-oauth'
import { show } from './view.ts'

/** What no route has answered. */
export const notFoundPage: RequestHandler = (request, response) => {
  response.status(404)
  if (!wantsPage(request))
    return void response.json({ errors: [{ code: 'not_found', title: 'There is nothing here', status: '404' }] })
  show(request, response, 'message', { title: 'Not found', trace: undefined, ...notFound })
}

/**
 * Says what happened and what to do, to people as a page and to scripts as JSON. What happened underneath goes to the
 * log.
 */
export function errorPage(logger: Logger): ErrorRequestHandler {
  return (error, request, response, next) => {
    if (response.headersSent) return next(error)
    const { status, headers, body } = errorResponse(error)
    const trace: string = JSON.parse(body).traceId
    if (status >= 500) logger.error({ err: error, trace, path: request.path }, 'the request could not be served')

    response.status(status).set('cache-control', 'no-store')
    const retryAfter = headers['retry-after']
    if (retryAfter !== undefined) response.set('retry-after', retryAfter)
    if (!wantsPage(request)) return void response.type('json').send(body)
    const message = messages[codeOf(error)] ?? (status >= 500 ? failed : refused)
    show(request, response, 'message', { title: message.eyebrow, trace: status >= 500 ? trace : undefined, ...message })
  }
}

interface Message {
  readonly eyebrow: string
  readonly heading: string
  readonly advice: string
  readonly actions: readonly { readonly href: string; readonly text: string }[]
}

const home = { href: '/', text: 'To the start page' }
const logIn = { href: '/auth/login?returnTo=%2Fapps', text: 'Log in' }
const logInAgain = { href: '/auth/login?returnTo=%2Fapps', text: 'Log in again' }

const notFound: Message = {
  eyebrow: 'Not found',
  heading: 'There is nothing at this address.',
  advice: 'It may have moved, or it is not shared with you. Ask its owner for access to the space it lies in.',
  actions: [{ href: '/apps', text: 'See your apps' }, home],
}
const refused: Message = {
  eyebrow: 'Refused',
  heading: 'This cannot be done.',
  advice: 'The request was not one that this application accepts. Go back and try it from the page.',
  actions: [home],
}
const failed: Message = {
  eyebrow: 'Not working',
  heading: 'Something went wrong on our side.',
  advice: 'It has been written down. Try again in a moment.',
  actions: [home],
}
const tenantAway: Message = {
  eyebrow: 'Not reachable',
  heading: 'Qlik Cloud does not answer.',
  advice: 'Whoever was logged in here still is. Try again in a minute.',
  actions: [{ href: '/apps', text: 'Try again' }, home],
}

const applicationRefused: Message = {
  eyebrow: 'Login not possible',
  heading: 'Qlik Cloud does not accept this application.',
  advice:
    'It is not you. Whoever runs this application has to look at how it is registered; what is wrong has been written down.',
  actions: [home],
}

const messages: Readonly<Partial<Record<string, Message>>> = {
  ERR_LOGIN_DENIED: {
    eyebrow: 'Login refused',
    heading: 'You were not logged in.',
    advice:
      'Qlik Cloud was not allowed to let this application in, or your user there is disabled. If you pressed “Deny”, simply try again.',
    actions: [logInAgain, home],
  },
  ERR_CALLBACK_INVALID: {
    eyebrow: 'Login out of date',
    heading: 'This login cannot be finished.',
    advice:
      'It took longer than ten minutes, was finished before, or began in another browser. Starting again takes a moment.',
    actions: [logInAgain, home],
  },
  ERR_LOGIN_LOOP: {
    eyebrow: 'Login does not hold',
    heading: 'Logging in again and again does not help.',
    advice:
      'Your browser does not send our cookie back. Allow cookies for this site, and open it at the address its operator gave you.',
    actions: [home],
  },
  ERR_RATE_LIMIT: {
    eyebrow: 'Too many attempts',
    heading: 'Please wait a minute before you log in.',
    advice: 'Too many logins were started from your network. After a minute the next one goes through.',
    actions: [home],
  },
  ERR_SESSION_EXPIRED: {
    eyebrow: 'Logged out',
    heading: 'Your login has ended.',
    advice: 'It was unused for too long, or it was ended elsewhere.',
    actions: [logInAgain, home],
  },
  ERR_STORE_UNAVAILABLE: {
    eyebrow: 'Back in a moment',
    heading: 'Logins cannot be looked up right now.',
    advice: 'You are not logged out. Reload this page in a few seconds.',
    actions: [home],
  },
  ERR_INSUFFICIENT_SCOPE: {
    eyebrow: 'Not permitted',
    heading: 'Your login may not do this.',
    advice:
      'The application was not granted the scope that this page needs. Log in again and agree to it, or ask your tenant administrator.',
    actions: [logIn, home],
  },
  ERR_ISSUER: applicationRefused,
  ERR_TOKEN_REFUSED: applicationRefused,
  ERR_TOKEN_RESPONSE: tenantAway,
  ERR_TOKEN_UNAVAILABLE: tenantAway,
  ERR_TENANT_UNREACHABLE: tenantAway,
  ERR_TENANT_TIMEOUT: tenantAway,
  ERR_TENANT_RESPONSE: tenantAway,
}

function codeOf(error: unknown): string {
  return error instanceof QlikOAuthError ? error.code : ''
}

/** Scripts accept anything; browsers tell them from people in `Sec-Fetch-Mode`, which comes with `Sec-Fetch-Dest`. */
function wantsPage(request: Request): boolean {
  if (request.get('sec-fetch-dest') !== undefined && request.get('sec-fetch-mode') !== 'navigate') return false
  return request.accepts(['json', 'html']) === 'html'
}
