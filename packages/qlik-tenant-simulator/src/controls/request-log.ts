import type { IncomingMessage } from 'node:http'

/** A request as the tenant received it. */
export interface RecordedRequest {
  readonly method: string
  /** Request target, with its query. */
  readonly path: string
  readonly headers: Readonly<IncomingMessage['headers']>
  /** Parameters of a `POST /oauth/*`, from a form or JSON. */
  readonly body: Readonly<Record<string, unknown>> | undefined
  /** Whether the request was a WebSocket upgrade. */
  readonly upgrade: boolean
  /** Arrival, in milliseconds since the epoch. */
  readonly at: number
}

/** Matches requests: a path without query, a pattern for path and query, or a predicate. */
export type RequestMatch = string | RegExp | ((request: RecordedRequest) => boolean)

/** The recorded requests. */
export interface RequestLog {
  readonly requests: readonly RecordedRequest[]
  /** Records a request. */
  add(request: IncomingMessage, upgrade: boolean): RecordedRequest
  /** Adds the parsed body to a recorded request. */
  setBody(record: RecordedRequest, body: Record<string, unknown>): void
  /** Resolves with the first matching request, recorded or future. */
  waitFor(match: RequestMatch): Promise<RecordedRequest>
}

/** Creates a log of the newest `limit` requests. */
export function requestLog(limit: number, now: () => number): RequestLog {
  const requests: RecordedRequest[] = []
  const waiters = new Set<(record: RecordedRequest) => void>()
  const announce = (record: RecordedRequest) => {
    for (const check of [...waiters]) check(record)
  }

  return {
    requests,
    add(request, upgrade) {
      const record: RecordedRequest = {
        method: request.method ?? 'GET',
        path: request.url ?? '/',
        headers: request.headers,
        body: undefined,
        upgrade,
        at: now(),
      }
      requests.push(record)
      if (requests.length > limit) requests.shift()
      announce(record)
      return record
    },
    /** Adds the parsed body to a recorded request. */
    setBody(record, body) {
      Object.assign(record, { body })
      announce(record)
    },
    /** Resolves with the first matching request, recorded or future. */
    waitFor(match) {
      const found = requests.find(record => matches(match, record))
      if (found !== undefined) return Promise.resolve(found)
      return new Promise(resolve => {
        const check = (record: RecordedRequest) => {
          if (!matches(match, record)) return
          waiters.delete(check)
          resolve(record)
        }
        waiters.add(check)
      })
    },
  }
}

/** Whether a request matches. */
export function matches(match: RequestMatch, record: RecordedRequest): boolean {
  if (typeof match === 'function') return match(record)
  return typeof match === 'string' ? record.path.split('?', 1)[0] === match : match.test(record.path)
}
