import { sign } from 'cookie-signature'

/** What sections and subjects share: names, secrets, and one stored login in the form of each library. */
export const publicUrl = 'https://app.example.com'
export const sessionSecret = 'a-session-secret-for-the-bench'
export const tokenKey = Buffer.alloc(32, 7).toString('base64')
export const clientOptions = { clientId: 'bench', clientSecret: 'secret-of-the-bench' }
export const userId = 'bench-user'
export const sessionId = 'bench-session-0000000000000000001'
export const openIdSessionId = 'bench-openid-0000000000000000001'

/** As long as the tokens of Qlik Cloud. */
export const accessToken = `eyJhbGciOiJFUzM4NCJ9.${'a'.repeat(1100)}.sig`
export const refreshToken = 'r'.repeat(600)

/** The value of a session cookie. */
export function signedCookie(id: string): string {
  return encodeURIComponent(`s:${sign(id, sessionSecret)}`)
}

/** The cookies of all subjects together, so that all requests have the same length. */
const signed = signedCookie(sessionId)
export const cookie = `__Host-sid=${signed}; sid=${signed}; appSession=${openIdSessionId}`

/** Where a subject reaches Redis and the tenant. */
export interface Surroundings {
  readonly redisPort: number
  readonly tenant: string
}

export const subjects = [
  'nginx',
  'undici',
  'ahead of Express, cached',
  'ahead of Express',
  'in Express',
  'express-session + http-proxy-middleware',
  'express-openid-connect + http-proxy-middleware',
] as const

export type Subject = (typeof subjects)[number]

/** Applications with a login. */
export type ApplicationName = 'this project' | 'this project, cached' | 'express-openid-connect'

/** The guarded page to which a login returns. */
export const landing = '/landing'

/** express-openid-connect needs a loopback URL for cookies without `Secure`. */
export const openIdUrl = 'http://localhost:3000'

export const socketSubjects = ['this proxy', 'tunnel built on `ws`', 'http-proxy'] as const

export type SocketSubject = (typeof socketSubjects)[number]

/** What a process has used since its start. */
export interface SocketCost {
  readonly cpuMicroseconds: number
  readonly residentBytes: number
  readonly heapBytes: number
}
