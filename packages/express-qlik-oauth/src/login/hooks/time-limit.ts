import { QlikOAuthError } from 'qlik-oauth'

/**
 * Calls a hook of the application, and waits for a limited time.
 *
 * @throws ERR_HOOK_TIMEOUT, and whatever the hook throws.
 */
export async function withinTime<Result>(
  name: string,
  timeoutMs: number,
  hook: (signal: AbortSignal) => Result | Promise<Result>,
): Promise<Result> {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const error = new QlikOAuthError('ERR_HOOK_TIMEOUT', `${name} did not finish within ${timeoutMs} ms`)
      controller.abort(error)
      reject(error)
    }, timeoutMs)
  })
  try {
    return await Promise.race([(async () => await hook(controller.signal))(), late])
  } finally {
    clearTimeout(timer)
  }
}
