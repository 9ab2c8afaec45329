import type { IncomingMessage } from 'node:http'
import type { RequestHandler } from 'express'
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino'
import { pinoHttp } from 'pino-http'
import type { LogLevel } from './environment.ts'

/**
 * JSON on standard output, one line per event. Properties named like a secret are removed. `code` stays where it is the
 * code of an error, and is removed where it may be an authorization code.
 *
 * @default destination standard output
 */
export function createLogger(level: LogLevel, destination?: DestinationStream): Logger {
  const options: LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: ['authorization', 'cookie', 'password', 'secret', 'token', 'state', 'code'].flatMap(anywhere),
      // An undefined property is not written.
      censor: (value, path) => (path.at(-1) === 'code' && isErrorCode(value) ? value : undefined),
    },
    serializers: { err: pino.stdSerializers.errWithCause },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

/** Codes of this library, of Node and undici, and of Qlik (`OAUTH-22`, `HTTP-403`). */
function isErrorCode(value: unknown): boolean {
  return typeof value === 'string' && /^((UND_)?ERR_[A-Z_]{1,60}|E[A-Z]{2,20}|[A-Z]{2,20}-\d{1,5})$/.test(value)
}

/**
 * Logs one line per request: method, path, status and duration. Never the query string (it may contain an
 * authorization code), headers or bodies.
 *
 * Successful health checks and assets are logged at level `trace`.
 */
export function requestLog(logger: Logger): RequestHandler {
  return pinoHttp({
    logger,
    serializers: {
      req: (request: { method: string; url: string }) => ({ method: request.method, path: pathOf(request.url) }),
      res: (response: { statusCode: number }) => ({ status: response.statusCode }),
    },
    customAttributeKeys: { responseTime: 'milliseconds' },
    customSuccessMessage: () => 'request',
    customErrorMessage: () => 'request failed',
    customLogLevel: (request, response, error) => {
      if (error !== undefined || response.statusCode >= 500) return 'error'
      if (response.statusCode >= 400) return 'warn'
      return quiet.test(originalUrl(request)) ? 'trace' : 'info'
    },
  })
}

const quiet = /^\/(assets\/|healthz|readyz|metrics|favicon)/

function anywhere(name: string): string[] {
  return [name, `*.${name}`, `*.*.${name}`]
}

function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? ''
}

/** Mounted routers strip their path from `url`. */
function originalUrl(request: IncomingMessage & { originalUrl?: string }): string {
  return request.originalUrl ?? request.url ?? ''
}
