import { CommanderError } from 'commander'
import type { ErrorCode } from '../protocol/error-catalogue.ts'
import { messageOf, QlikOAuthError } from '../protocol/errors.ts'
import type { Terminal } from './terminal.ts'

/** Exit codes for scripts. The help lists them. */
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
  ERR_OUTBOUND_PROXY_UNREACHABLE: exitCodes.unreachable,
  ERR_OUTBOUND_PROXY_REFUSED: exitCodes.unreachable,
  ERR_OUTBOUND_PROXY_RESPONSE: exitCodes.unreachable,
  ERR_OUTBOUND_PROXY_TIMEOUT: exitCodes.unreachable,
  ERR_TOKEN_UNAVAILABLE: exitCodes.unreachable,
  ERR_STORE_UNAVAILABLE: exitCodes.unreachable,
}

/** Prints an error to standard error: one line, or JSON with --json. @returns The exit code. */
export function reportFailure({ stderr, signal }: Terminal, json: boolean, error: unknown): number {
  // Commander has printed its errors already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
  if (signal.aborted) return exitCodes.interrupted

  const code = error instanceof QlikOAuthError ? error.code : undefined
  const message = messageOf(error)
  stderr.write(json ? `${JSON.stringify({ error: { code, message } })}\n` : `qlik-oauth: ${message}\n`)
  return (code === undefined ? undefined : exitCodeOf[code]) ?? exitCodes.unexpected
}
