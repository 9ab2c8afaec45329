/**
 * Calls a listener of the application. An error that it throws becomes a process warning: it must not fail the request,
 * end the sockets of other users, or end the process.
 */
export function callApplication(call: () => void): void {
  try {
    call()
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error))
  }
}
