import { messageOf } from 'qlik-oauth/internal'

/**
 * Calls a listener of the application. An error that it throws becomes a process warning: it must not fail the request,
 * end the sockets of other users, or end the process.
 */
export function callApplication(call: () => void): void {
  try {
    call()
  } catch (error) {
    const detail = error instanceof Error ? (error.stack ?? '') : ''
    process.emitWarning(`A listener of the application threw an error: ${messageOf(error)}`, { detail })
  }
}
