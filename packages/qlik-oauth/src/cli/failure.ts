import { CommanderError } from 'commander'
import { type ErrorCode, QlikOAuthError, reason } from '../errors.ts'
import type { Terminal } from './terminal.ts'

/** What the exit code tells a script. Shown in the help. */
export const exitCodes = {
  done: 0,
  unexpected: 1,
  usage: 2,
  refused: 3,
  unreachable: 4,
  interrupted: 130,
} as const

const exitCodeOf: Readonly<Record<ErrorCode, number>> = {
  ERR_CONFIGURATION: exitCodes.usage,
  ERR_TIER: exitCodes.usage,
  ERR_LOGIN_REQUIRED: exitCodes.refused,
  ERR_SESSION_EXPIRED: exitCodes.refused,
  ERR_CALLBACK_INVALID: exitCodes.refused,
  ERR_LOGIN_DENIED: exitCodes.refused,
  ERR_LOGIN_LOOP: exitCodes.refused,
  ERR_RATE_LIMIT: exitCodes.refused,
  ERR_TOKEN_REFUSED: exitCodes.refused,
  ERR_TENANT_REFUSED: exitCodes.refused,
  ERR_TENANT_UNREACHABLE: exitCodes.unreachable,
  ERR_TENANT_TIMEOUT: exitCodes.unreachable,
  ERR_TOKEN_UNAVAILABLE: exitCodes.unreachable,
  ERR_STORE_UNAVAILABLE: exitCodes.unreachable,
  ERR_ISSUER: exitCodes.unexpected,
  ERR_TOKEN_RESPONSE: exitCodes.unexpected,
  ERR_TENANT_RESPONSE: exitCodes.unexpected,
}

/** Says what went wrong, in one line. @returns The exit code. */
export function reportFailure({ stderr, signal }: Terminal, json: boolean, error: unknown): number {
  // Commander has said it already, with a suggestion where it has one.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
  if (signal.aborted) return exitCodes.interrupted

  const code = error instanceof QlikOAuthError ? error.code : undefined
  stderr.write(json ? `${JSON.stringify({ error: { code, message: reason(error) } })}\n` : `qlik-oauth: ${reason(error)}\n`)
  return code === undefined ? exitCodes.unexpected : exitCodeOf[code]
}
