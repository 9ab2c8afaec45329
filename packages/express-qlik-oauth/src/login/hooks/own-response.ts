import type { Request } from 'express'
import type { QlikOAuthError } from 'qlik-oauth'

/** Throws an error when a hook has sent a response: a second one would break it. */
export function refuseOwnResponse(request: Request, error: () => QlikOAuthError): void {
  if (request.res?.headersSent === true) throw error()
}
