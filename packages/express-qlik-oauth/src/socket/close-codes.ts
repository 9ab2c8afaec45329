import { closeFrame } from './frame.ts'

/*
 * Every close frame that the proxy sends on its own. Reasons are shown in the browser's console: they name no host and
 * no received value.
 */

/** To the tenant when a login ends. */
export const normalClosure = closeFrame(1000)

/** To the browser when its login ends. */
export const loginEnded = closeFrame(4006, 'the login has ended')

/** To the browser when the server shuts down. @qlik/api resumes at 4003, 4004 and 4007, and at no code of RFC 6455. */
export const engineTerminating = closeFrame(4003, 'the server is shutting down')

/** To the tenant when the server shuts down. */
export const goingAway = closeFrame(1001, 'the server is shutting down')

/** To the tenant when the browser's connection was lost, or the browser violated the protocol. */
export const browserLost = closeFrame(1001, 'the browser left')

/** To the browser when the tenant's connection was lost, or the tenant violated the protocol. */
export const tenantLost = closeFrame(1011, 'the connection to the tenant ended')

/**
 * Close codes for a peer that violated the protocol: protocol error, close reason that is not UTF-8, and message too
 * big. RFC 6455, section 7.4.1.
 */
export type ViolationCode = 1002 | 1007 | 1009

/**
 * Whether a close code may be sent in a frame; 1005, 1006 and 1015 exist only in the API of an endpoint. RFC 6455,
 * section 7.4, and the IANA registry of close codes.
 */
export function isCloseCode(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999)
  )
}
