import type { Request } from 'express'
import { isObject, quoted } from 'qlik-oauth/internal'
import { configurationError } from '../../http/options/option-checks.ts'
import { refuseOwnResponse } from './own-response.ts'
import { withinTime } from './time-limit.ts'

/** Parameters of an authorization request beside those of the protocol. `undefined` omits a parameter. */
export interface AuthorizationParams {
  /** `login` asks the tenant to authenticate the user again, `none` forbids any question. */
  readonly prompt?: string | undefined
  /** The user who is expected to log in. */
  readonly login_hint?: string | undefined
  /** Seconds after which the tenant authenticates the user again. */
  readonly max_age?: number | string | undefined
  readonly [name: string]: string | number | boolean | undefined
}

export interface AuthorizationParamsSettings {
  readonly authorizationParams: AuthorizationParams | AuthorizationParamsOf | undefined
  readonly hookTimeoutMs: number
}

/** Finds the parameters for a request to the login route, or to the callback that starts the login again. */
export type AuthorizationParamsOf = (
  request: Request,
) => AuthorizationParams | undefined | Promise<AuthorizationParams | undefined>

/**
 * The additional parameters of an authorization request: those of the application, and `prompt` of the login route's
 * query if the application sets none.
 *
 * @throws ERR_CONFIGURATION for a parameter of the protocol; ERR_HOOK_TIMEOUT; the errors of the application's function.
 */
export async function authorizationParameters(
  { authorizationParams, hookTimeoutMs }: AuthorizationParamsSettings,
  request: Request,
  query?: URLSearchParams,
): Promise<Readonly<Record<string, string>>> {
  const parameters =
    typeof authorizationParams === 'function'
      ? await withinTime('authorizationParams', hookTimeoutMs, () => authorizationParams(request))
      : authorizationParams
  refuseOwnResponse(request, () =>
    configurationError('authorizationParams sent a response: it must return parameters.'),
  )
  const [prompt = '', ...others] = query?.getAll('prompt') ?? []
  const requested = others.length === 0 && prompts.includes(prompt) ? { prompt } : {}
  return { ...requested, ...checkedParameters(parameters) }
}

/** What a link to the login may ask for. OpenID Connect Core, section 3.1.2.1. */
const prompts = ['login', 'select_account', 'consent', 'none']

/** @throws ERR_CONFIGURATION */
export function checkedParameters(parameters: unknown = {}): Readonly<Record<string, string>> {
  // The entries of a Map or URLSearchParams are no properties and would be lost.
  if (!isObject(parameters) || Symbol.iterator in parameters)
    throw configurationError(
      `authorizationParams must be an object with parameters, such as { prompt: "login" }, or a function that returns one, got ${quoted(parameters)}.`,
    )
  const set = Object.entries(parameters).filter(([, value]) => value !== undefined)
  for (const [name, value] of set) {
    if (ofProtocol.test(name) || !/^[\w.-]+$/.test(name))
      throw configurationError(
        `authorizationParams must not contain ${quoted(name)}: qlikAuth sets the parameters of the protocol${name === 'scope' ? ', the scope by its option scope' : ''}.`,
      )
    if (!['string', 'number', 'boolean'].includes(typeof value) || Number.isNaN(value))
      throw configurationError(`authorizationParams.${name} must be a string, number or boolean, got ${quoted(value)}.`)
  }
  return Object.fromEntries(set.map(([name, value]) => [name, String(value)]))
}

/** RFC 6749 section 4.1.1, RFC 7636 section 4.3, RFC 9101, and what belongs to the token request. */
const ofProtocol =
  /^(?:response_type|response_mode|client_id|client_secret|client_assertion(?:_type)?|redirect_uri|scope|state|nonce|code|code_challenge|code_challenge_method|code_verifier|grant_type|request|request_uri)$/i
