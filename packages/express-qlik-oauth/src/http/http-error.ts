import { type ErrorCode, type ErrorDetails, QlikOAuthError } from 'qlik-oauth'

/**
 * An error whose message is sent to the client.
 *
 * @param message Names no host, no token and no value that the tenant sent.
 */
export function httpError(
  code: ErrorCode,
  message: string,
  details: Omit<ErrorDetails, 'expose'> = {},
): QlikOAuthError {
  return new QlikOAuthError(code, message, { ...details, expose: true })
}
