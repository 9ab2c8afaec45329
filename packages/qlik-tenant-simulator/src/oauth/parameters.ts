import { type Exchange, isObject, mediaType, readBody } from '../http/exchange.ts'
import { OAuthError } from '../http/oauth-error.ts'
import { QlikError } from '../http/qlik-error.ts'

/** Parameters of a request to an OAuth endpoint, from a form or JSON. */
export type Parameters = Readonly<Record<string, unknown>>

/** Reads the parameters. @throws QlikError 400, 413 or 415 for other content or a repeated parameter */
export async function readParameters(exchange: Exchange): Promise<Parameters> {
  return parseParameters(
    mediaType(exchange.request),
    exchange.body ?? (await readBody(exchange.request, bodyLimitBytes)),
  )
}

/** Parses the parameters. @throws QlikError 400 or 415 */
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

/** Parameters by name. @throws OAuthError for a repeated parameter (RFC 6749, section 3.1) */
export function singleValues(parameters: URLSearchParams): Record<string, string> {
  const values: Record<string, string> = Object.create(null) as Record<string, string>
  for (const [name, value] of parameters) {
    if (name in values) throw new OAuthError('request', `${name} is repeated`)
    values[name] = value
  }
  return values
}

/** An optional parameter. @throws OAuthError when it is not a string */
export function optional(parameters: Parameters, name: string): string | undefined {
  const value = parameters[name]
  if (value === undefined) return undefined
  if (typeof value !== 'string') throw new OAuthError('request', `${name} must be a string`)
  return value
}

/** A required parameter. @throws OAuthError when it is missing or empty */
export function required(parameters: Parameters, name: string): string {
  const value = optional(parameters, name)
  if (value === undefined || value === '') throw new OAuthError('request', `${name} is required`)
  return value
}

/** Maximum size of a request to an OAuth endpoint. */
export const bodyLimitBytes = 65_536

function parseJson(text: string): Parameters {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new OAuthError('request', 'The body is not valid JSON')
  }
  if (!isObject(value)) throw new OAuthError('request', 'The body must be a JSON object')
  return value
}
