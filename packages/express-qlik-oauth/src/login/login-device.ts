import type { Request } from 'express'
import type { LoginDevice } from 'qlik-oauth/internal'

/** What a user recognises a login by in the list of logins: both are chosen by the client within bounds. */
export function loginDevice(request: Request): LoginDevice {
  const userAgent = request.headers['user-agent']
  return {
    ...(request.ip === undefined ? {} : { address: request.ip.slice(0, maxAddressLength) }),
    ...(userAgent === undefined ? {} : { userAgent: userAgent.slice(0, maxUserAgentLength) }),
  }
}

/** Longer than any IPv6 address with a zone. */
const maxAddressLength = 64
const maxUserAgentLength = 256
