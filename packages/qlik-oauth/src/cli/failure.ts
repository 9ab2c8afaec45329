import { CommanderError } from 'commander'
import { type ErrorCode, messageOf, QlikOAuthError } from '../protocol/errors.ts'
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

const exitCodeOf: Readonly<Partial<Record<ErrorCode, number>>> = {
  ERR_CONFIGURATION: exitCodes.usage,
  ERR_TIER: exitCodes.usage,
  ERR_LOGIN_REQUIRED: exitCodes.refused,
  ERR_SESSION_EXPIRED: exitCodes.refused,
  ERR_CALLBACK_INVALID: exitCodes.refused,
  ERR_LOGIN_DENIED: exitCodes.refused,
  ERR_TOKEN_REFUSED: exitCodes.refused,
  ERR_TENANT_REFUSED: exitCodes.refused,
  ERR_TENANT_UNREACHABLE: exitCodes.unreachable,
  ERR_TENANT_TIMEOUT: exitCodes.unreachable,
  ERR_TENANT_CONNECT_TIMEOUT: exitCodes.unreachable,
  ERR_TENANT_RESET: exitCodes.unreachable,
  ERR_TOKEN_UNAVAILABLE: exitCodes.unreachable,
  ERR_STORE_UNAVAILABLE: exitCodes.unreachable,
}

/** Says what went wrong, in one line. @returns The exit code. */
export function reportFailure({ stderr, signal }: Terminal, json: boolean, error: unknown): number {
  // Commander has said it already, with a suggestion where it has one.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
  if (signal.aborted) return exitCodes.interrupted

  const code = error instanceof QlikOAuthError ? error.code : undefined
  stderr.write(
    json ? `${JSON.stringify({ error: { code, message: messageOf(error) } })}\n` : `qlik-oauth: ${messageOf(error)}\n`,
  )
  return (code !== undefined ? exitCodeOf[code] : undefined) ?? exitCodes.unexpected
}
