import { randomInt } from 'node:crypto'
import type { Request, Response } from 'express'
import { queryOf, queryParameters } from '../http/location/request-target.ts'
import { isPrefetch } from '../http/navigation.ts'
import { httpError } from '../http/response/error-response.ts'
import type { AuthContext } from './context/auth-context.ts'
import { type AuthorizationState, transactionKey } from './context/authorization-state.ts'
import { requestedPath, returnAddress } from './context/login-address.ts'
import type { TenantConfiguration } from './context/tenant-registry.ts'
import { transactionCookieHash } from './cookies/transaction-cookie.ts'
import { frameParameter, isFramed, keepOpener } from './frames/frame-options.ts'
import { handoverParameter, replaceParameter, sendFramePage, sendHandoverPage } from './frames/frame-pages.ts'
import { countLoop, limitLogins } from './login-route.ts'

/*
 * A login in a frame of another site. The cookies of the frame and of a window of the same application are separate
 * (CHIPS), so the window that logs in cannot give the frame a session:
 *
 * 1. The frame gets a transaction cookie of its own. Its page links to the login route with the hash of the cookie.
 * 2. A window opens that link. Its authorization transaction is bound to the frame's cookie, its `state` to the window's
 *    cookie too.
 * 3. The callback in the window redeems nothing. It stores the authorization response under a handover code, which it
 *    passes to its opener if that has the application's origin.
 * 4. The frame exchanges the code, with its cookie, for the authorization response, and finishes the login itself.
 */

export function isFramedLogin({ settings }: AuthContext, request: Request): boolean {
  return settings.frames !== undefined && isFramed(request)
}

/**
 * `GET /auth/login` in a frame: shows the page that opens the login, or accepts a handover code.
 *
 * @throws ERR_REQUEST_INVALID, ERR_RATE_LIMIT, ERR_LOGIN_LOOP, ERR_STORE_UNAVAILABLE
 */
export async function framedLogin(context: AuthContext, request: Request, response: Response): Promise<void> {
  const { settings, transactionCookies, tenants, peekLogin } = context
  response.set('cache-control', 'no-store')
  if (isPrefetch(request) || settings.frames === undefined) return void response.status(204).end()
  if (tenants.ofRequest(request) === undefined)
    throw httpError('ERR_REQUEST_INVALID', 'The request names no known tenant to log in at.')
  const query = queryParameters(request)
  const code = query.get(handoverParameter)
  const isLoggedIn = (await peekLogin(request).catch(() => undefined)) !== undefined
  if (code !== null && isLoggedIn && !query.has(replaceParameter)) {
    // Another frame of the page was faster. A second login would replace its login.
    response.redirect(302, returnAddress(context, request, requestedPath(context, query, tenants.locationOf(request))))
    return
  }
  const address = code === null ? undefined : await redeemHandover(context, request, code)
  if (address !== undefined) return response.redirect(302, address)

  query.delete(handoverParameter)
  query.delete(frameParameter)
  if (isLoggedIn) query.set(replaceParameter, '1')
  const previous = transactionCookies.all(request)[0] ?? transactionCookies.create()
  const cookie = isLoggedIn ? { ...previous, loops: 0, completed: 0 } : countLoop(previous)
  response.append('set-cookie', transactionCookies.set(cookie))
  sendFramePage(response, settings.frames, {
    query,
    frame: transactionCookieHash(cookie),
    ...(code === null ? {} : { message: 'The code is unknown or has expired. Log in again.' }),
  })
}

/** @returns The address of the callback with the authorization response. */
async function redeemHandover(context: AuthContext, request: Request, text: string): Promise<string | undefined> {
  const { settings, transactionCookies } = context
  const code = text.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1')
  if (/^[0-9A-Z]{12}$/.test(code)) {
    for (const cookie of transactionCookies.all(request)) {
      const handover = await settings.store.takeTransaction(handoverKey(code, transactionCookieHash(cookie)))
      if (handover !== undefined) return handover.redirectUri + handover.returnTo
    }
  }
  await limitLogins(context, request)
  return undefined
}

/**
 * The callback in the window that a frame opened: stores the authorization response for the frame, and redeems nothing.
 *
 * @throws ERR_CALLBACK_INVALID, ERR_STORE_UNAVAILABLE
 */
export async function handOver(
  { settings: { store, frames }, transactionCookies }: AuthContext,
  request: Request,
  response: Response,
  { state, tenant }: { state: AuthorizationState; tenant: TenantConfiguration | undefined },
): Promise<void> {
  // The window must have come from the frame, through the login route, and not from a link to the tenant.
  const isOwnWindow = transactionCookies.all(request).some(cookie => transactionCookieHash(cookie) === state.windowHash)
  if (!isOwnWindow) throw httpError('ERR_CALLBACK_INVALID', 'The login was started in another browser.')
  const used = await store.increment(transactionKey(`handovers ${state.id}`), 600)
  if (frames === undefined || tenant === undefined || used > maxHandovers)
    throw httpError('ERR_CALLBACK_INVALID', 'Start the login again in the frame.')
  const code = handoverCode()
  const handover = {
    tenant: tenant.client.tenant,
    clientId: tenant.client.clientId,
    codeVerifier: '',
    redirectUri: tenant.redirectUri,
    returnTo: queryOf(request),
    cookieHash: state.cookieHash,
  }
  await store.saveTransaction(handoverKey(code, state.cookieHash), handover, handoverSeconds)
  keepOpener(response)
  sendHandoverPage(response, code.replace(/.{4}(?=.)/g, '$&-'), frames)
}

/** A window that is reloaded gets another code. */
const maxHandovers = 5
/** Time to copy a code. */
const handoverSeconds = 120

/** 60 random bits, without letters that look like digits. */
function handoverCode(): string {
  return Array.from({ length: 12 }, () => alphabet[randomInt(alphabet.length)]).join('')
}

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

function handoverKey(code: string, cookieHash: string): string {
  return transactionKey(`handover ${code} ${cookieHash}`)
}
