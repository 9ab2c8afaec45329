import { type Exchange, isObject, mediaType, readBody } from '../http/exchange.ts'
import { QlikError } from '../http/qlik-error.ts'
import { OAuthError } from './oauth-error.ts'

/** The parameters of a token or revocation request, from a form or from JSON. */
export type Parameters = Readonly<Record<string, unknown>>

/** @throws QlikError 400, 413 or 415 for a body that is neither a form nor a JSON object, or names a parameter twice */
export async function readParameters(exchange: Exchange): Promise<Parameters> {
  return parseParameters(
    mediaType(exchange.request),
    exchange.body ?? (await readBody(exchange.request, bodyLimitBytes)),
  )
}

export function parseParameters(type: string, body: Buffer): Parameters {
  if (type === 'application/json') return parseJson(body.toString('utf8'))
  if (type === 'application/x-www-form-urlencoded') return singleValues(new URLSearchParams(body.toString('utf8')))
  throw new QlikError(
    415,
    'HTTP-415',
    'Unsupported media type',
    'Expected application/json or application/x-www-form-urlencoded',
  )
}

/** RFC 6749, section 3.1: parameters must not be included more than once. */
export function singleValues(parameters: URLSearchParams): Record<string, string> {
  const values: Record<string, string> = Object.create(null) as Record<string, string>
  for (const [name, value] of parameters) {
    if (name in values) throw new OAuthError('request', `${name} is given more than once`)
    values[name] = value
  }
  return values
}

/** @throws OAuthError when the parameter is there but is not a string */
export function optional(parameters: Parameters, name: string): string | undefined {
  const value = parameters[name]
  if (value === undefined) return undefined
  if (typeof value !== 'string') throw new OAuthError('request', `${name} must be a string`)
  return value
}

/** @throws OAuthError when the parameter is missing or empty */
export function required(parameters: Parameters, name: string): string {
  const value = optional(parameters, name)
  if (value === undefined || value === '') throw new OAuthError('request', `${name} is required`)
  return value
}

export const bodyLimitBytes = 65_536

function parseJson(text: string): Parameters {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new OAuthError('request', 'The body is not JSON')
  }
  if (!isObject(value)) throw new OAuthError('request', 'The body must be a JSON object')
  return value
}
