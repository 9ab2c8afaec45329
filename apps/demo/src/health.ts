import { Router } from 'express'

/**
 * `GET /healthz` answers while the process lives; `GET /readyz` answers 503 while Redis is away, so that a balancer
 * sends no traffic.
 *
 * @param ready Resolves when the login store answers.
 */
export function health(ready: () => Promise<void>): Router {
  const router = Router()
  router.get('/healthz', (_request, response) => {
    response.set('cache-control', 'no-store').json({ status: 'alive' })
  })
  router.get('/readyz', async (_request, response) => {
    const isReady = await within(longestWaitMs, ready())
    response.set('cache-control', 'no-store')
    if (isReady) response.json({ status: 'ready' })
    else
      response
        .status(503)
        .set('retry-after', '5')
        .json({ status: 'not ready', reason: 'the login store does not answer' })
  })
  return router
}

const longestWaitMs = 800

async function within(milliseconds: number, attempt: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<boolean>(resolve => {
    timer = setTimeout(resolve, milliseconds, false)
  })
  const answered = attempt.then(
    () => true,
    () => false,
  )
  return Promise.race([answered, tooLate]).finally(() => clearTimeout(timer))
}
