import type { IncomingMessage } from 'node:http'

/** A request as it reached the tenant. */
export interface RecordedRequest {
  readonly method: string
  /** The request target as sent, with its query. */
  readonly path: string
  readonly headers: Readonly<IncomingMessage['headers']>
  /** The parameters of requests to /oauth/*, from a form or from JSON. */
  readonly body: Readonly<Record<string, unknown>> | undefined
  /** Whether this was an upgrade to a WebSocket. */
  readonly upgrade: boolean
  /** Arrival, in milliseconds since 1970. */
  readonly at: number
}

export type RequestMatch = string | RegExp | ((request: RecordedRequest) => boolean)

export interface RequestLog {
  readonly requests: readonly RecordedRequest[]
  /** Adds a request, or tells those who wait that its body is known now. */
  add(request: IncomingMessage, upgrade: boolean): RecordedRequest
  setBody(record: RecordedRequest, body: Record<string, unknown>): void
  waitFor(match: RequestMatch): Promise<RecordedRequest>
}

/** Remembers the newest requests, and lets tests wait for one. */
export function requestLog(limit: number, now: () => number): RequestLog {
  const requests: RecordedRequest[] = []
  const waiting = new Set<(record: RecordedRequest) => void>()
  const announce = (record: RecordedRequest) => {
    for (const look of [...waiting]) look(record)
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
    setBody(record, body) {
      Object.assign(record, { body })
      announce(record)
    },
    waitFor(match) {
      const found = requests.find(record => matches(match, record))
      if (found !== undefined) return Promise.resolve(found)
      return new Promise(resolve => {
        const look = (record: RecordedRequest) => {
          if (!matches(match, record)) return
          waiting.delete(look)
          resolve(record)
        }
        waiting.add(look)
      })
    },
  }
}

/** A string stands for the path without its query. */
export function matches(match: RequestMatch, record: RecordedRequest): boolean {
  if (typeof match === 'function') return match(record)
  return typeof match === 'string' ? record.path.split('?', 1)[0] === match : match.test(record.path)
}
