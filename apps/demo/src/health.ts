import { Router } from 'express'

/**
 * `GET /healthz` returns 200 while the process runs. `GET /readyz` returns 503 while Redis is unavailable, so that a
 * load balancer sends no traffic.
 *
 * @param ready Resolves when the login store is available.
 */
export function health(ready: () => Promise<void>): Router {
  const router = Router()
  router.get('/healthz', (_request, response) => {
    response.set('cache-control', 'no-store').json({ status: 'alive' })
  })
  router.get('/readyz', async (_request, response) => {
    const isReady = await resolvesWithin(timeoutMs, ready())
    response.set('cache-control', 'no-store')
    if (isReady) response.json({ status: 'ready' })
    else response.status(503).set('retry-after', '5').json({ status: 'not ready', reason: 'login store unavailable' })
  })
  return router
}

const timeoutMs = 800

async function resolvesWithin(milliseconds: number, operation: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const timedOut = new Promise<boolean>(resolve => {
    timer = setTimeout(resolve, milliseconds, false)
  })
  const resolved = operation.then(
    () => true,
    () => false,
  )
  return Promise.race([resolved, timedOut]).finally(() => clearTimeout(timer))
}
