import { type RequestHandler, Router } from 'express'
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client'

export interface Metrics {
  /**
   * `GET /metrics` in the Prometheus text format, for scrapers that connect directly. Requests with `X-Forwarded-For` or
   * `Forwarded` came through a load balancer, from the public: they get 404.
   */
  readonly routes: Router
  /** Measures the duration of every request that reaches Express. */
  readonly measure: RequestHandler
  /** Counts an event of the library. */
  count(event: string): void
}

/** Metrics for Prometheus. Labels hold names of routes and events, never user data. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const events = new Counter({
    name: 'qlik_oauth_events_total',
    help: 'Events of logins, tokens and the login store',
    labelNames: ['event'],
    registers: [registry],
  })
  const requests = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Duration of HTTP requests',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
  })

  const routes = Router()
  routes.get('/metrics', async (request, response, next) => {
    const { forwarded, 'x-forwarded-for': forwardedFor } = request.headers
    if (forwarded !== undefined || forwardedFor !== undefined) return next()
    response
      .set('cache-control', 'no-store')
      .type(registry.contentType)
      .send(await registry.metrics())
  })

  return {
    routes,
    measure(request, response, next) {
      const stop = requests.startTimer()
      response.once('finish', () => {
        // The pattern of the route, not its path, and one value for the unknown: label values must stay few.
        const route = typeof request.route?.path === 'string' ? request.baseUrl + request.route.path : 'other'
        const method = knownMethods.has(request.method) ? request.method : 'other'
        stop({ method, route, status: response.statusCode })
      })
      next()
    },
    count: event => events.inc({ event }),
  }
}

const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
