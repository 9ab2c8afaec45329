import { setTimeout as delay } from 'node:timers/promises'
import { Router } from 'express'

export interface Health {
  /**
   * `GET /healthz` returns 200 while the process runs. `GET /readyz` returns 503 while Redis is unavailable or the
   * process is stopping, so that a load balancer sends no traffic.
   */
  readonly routes: Router
  /**
   * Lets `/readyz` fail from now on. Resolves when a load balancer has noticed: at once if none has sent a probe
   * lately, and after two seconds at most.
   */
  stop(): Promise<void>
}

/** @param ready Resolves when the login store is available. */
export function createHealth(ready: () => Promise<void>): Health {
  let probedAt = Number.NEGATIVE_INFINITY
  let isStopping = false
  let onNoticed = () => {}

  const routes = Router()
  routes.get('/healthz', (_request, response) => {
    response.set('cache-control', 'no-store').json({ status: 'alive' })
  })
  routes.get('/readyz', async (_request, response) => {
    probedAt = performance.now()
    const isAvailable = await resolvesWithin(timeoutMs, ready())
    response.set('cache-control', 'no-store')
    if (isAvailable && !isStopping) return void response.json({ status: 'ready' })
    if (isStopping) response.once('finish', onNoticed)
    const reason = isStopping ? 'shutting down' : 'login store unavailable'
    response.status(503).set('retry-after', '5').json({ status: 'not ready', reason })
  })

  return {
    routes,
    async stop() {
      isStopping = true
      if (performance.now() - probedAt > recentlyMs) return
      const noticed = new Promise<void>(resolve => {
        onNoticed = resolve
      })
      // Requests that were routed before the probe returned still arrive.
      await Promise.race([noticed.then(() => delay(routedMs)), delay(noticeMs)])
    },
  }
}

const timeoutMs = 800
const recentlyMs = 10_000
const noticeMs = 2000
const routedMs = 200

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
