import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { matches, type RecordedRequest, type RequestMatch } from './request-log.ts'

/** What goes wrong, and with which requests. Without a condition it strikes every request. */
export interface Fault {
  readonly method?: string
  /** A path without query, a pattern for path and query, or a test of the whole request. */
  readonly path?: RequestMatch
  /** The `grant_type` of a token request. */
  readonly grant?: string
  /** Strikes only upgrades (true) or only other requests (false). */
  readonly upgrade?: boolean
  /**
   * `before` the request is carried out; or `after` it, so that the tenant has done its work and only the answer goes
   * wrong (for answers that are JSON, a page or a redirect). @default 'before'
   */
  readonly when?: 'before' | 'after'
  /** Waits this long; then what is scripted besides happens, or the request is carried out. */
  readonly delayMs?: number
  /** Waits until the handle's `release()` is called. */
  readonly hold?: boolean
  /** Answers with this status instead. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  /** An object becomes JSON. */
  readonly body?: string | Uint8Array | Readonly<Record<string, unknown>>
  /** Sets `Retry-After`; with status 429 and no body, the body is Qlik's. */
  readonly retryAfter?: number | string
  /** Ends the connection without an answer. */
  readonly reset?: boolean
  /** Announces more than it sends, then ends the connection. */
  readonly resetMidBody?: boolean
  /** Sends the head and a part of the body, and then nothing. */
  readonly stallMidBody?: boolean
  /** Answers 200 with HTML under the name of JSON. */
  readonly garbage?: boolean
  /** Answers 200 with a JSON document of this many bytes. */
  readonly hugeBody?: number
}

export interface FaultHandle {
  /** Resolves with the first request that was struck. */
  readonly struck: Promise<RecordedRequest>
  /** Lets the requests go on that are held, now and later. */
  release(): void
}

export interface Faults {
  /** Strikes the next request that fits, once. */
  next(fault: Fault): FaultHandle
  /** Strikes every request that fits, until the function returned is called; that also releases what is held. */
  always(fault: Fault): () => void
  clear(): void
}

interface ArmedFault extends Fault {
  readonly once: boolean
  readonly released: Promise<void>
  readonly release: () => void
  readonly strike: (record: RecordedRequest) => void
}

export interface FaultScript extends Faults {
  /** The fault for this request, which is used up if it strikes once. */
  take(record: RecordedRequest): ArmedFault | undefined
}

export function faultScript(): FaultScript {
  const armed = new Set<ArmedFault>()
  const arm = (fault: Fault, once: boolean) => {
    const { promise: released, resolve: release } = withResolvers<void>()
    const { promise: struck, resolve: strike } = withResolvers<RecordedRequest>()
    const entry: ArmedFault = { ...fault, once, released, release, strike }
    armed.add(entry)
    return { entry, struck }
  }

  return {
    next(fault) {
      const { entry, struck } = arm(fault, true)
      return { struck, release: entry.release }
    },
    always(fault) {
      const { entry } = arm(fault, false)
      return () => {
        armed.delete(entry)
        entry.release()
      }
    },
    clear() {
      for (const entry of armed) entry.release()
      armed.clear()
    },
    take(record) {
      for (const entry of armed) {
        if (!fits(entry, record)) continue
        if (entry.once) armed.delete(entry)
        entry.strike(record)
        return entry
      }
      return undefined
    },
  }
}

/** Lets the fault happen to a request. @returns Whether the fault answered it. */
export async function strike(fault: ArmedFault, response: ServerResponse): Promise<boolean> {
  await wait(fault, response)
  if (response.destroyed) return true
  if (fault.reset) {
    response.destroy()
    return true
  }
  const answer = answerOf(fault)
  if (answer === undefined) return false
  const { status, headers, body } = answer
  if (fault.resetMidBody || fault.stallMidBody) {
    response.writeHead(status, { ...headers, 'content-length': body.length + 1_000_000 })
    response.write(body)
    // The bytes have to leave before the connection goes, so that the peer sees an answer cut short and not none.
    if (fault.resetMidBody) response.write('\n', () => setImmediate(() => response.destroy()))
    return true
  }
  response.writeHead(status, { ...headers, 'content-length': body.length }).end(body)
  return true
}

/** Lets the fault happen to an upgrade. @returns Whether the fault answered it. */
export async function strikeUpgrade(fault: ArmedFault, socket: Duplex): Promise<boolean> {
  await wait(fault, socket)
  if (socket.destroyed) return true
  if (fault.reset) {
    socket.destroy()
    return true
  }
  const answer = answerOf(fault)
  if (answer === undefined) return false
  const lines = Object.entries(answer.headers).flatMap(([name, value]) => [value].flat().map(one => `${name}: ${one}`))
  socket.end(
    Buffer.concat([
      Buffer.from(
        `HTTP/1.1 ${answer.status} Scripted\r\n${lines.join('\r\n')}\r\ncontent-length: ${answer.body.length}\r\nconnection: close\r\n\r\n`,
      ),
      answer.body,
    ]),
  )
  return true
}

function fits(fault: Fault, record: RecordedRequest): boolean {
  if (fault.method !== undefined && fault.method.toUpperCase() !== record.method) return false
  if (fault.path !== undefined && !matches(fault.path, record)) return false
  if (fault.grant !== undefined && record.body?.grant_type !== fault.grant) return false
  return fault.upgrade === undefined || fault.upgrade === record.upgrade
}

async function wait(fault: ArmedFault, peer: Duplex | ServerResponse): Promise<void> {
  const gone = new Promise<void>(resolve => peer.once('close', resolve))
  if (fault.delayMs !== undefined) {
    const { promise, resolve } = withResolvers<void>()
    const timer = setTimeout(resolve, fault.delayMs)
    await Promise.race([promise, fault.released, gone])
    clearTimeout(timer)
  }
  if (fault.hold) await Promise.race([fault.released, gone])
}

function answerOf(
  fault: Fault,
): { status: number; headers: Record<string, string | string[]>; body: Buffer } | undefined {
  const extra: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(fault.headers ?? {}))
    extra[name] = typeof value === 'string' ? value : [...value]
  if (fault.retryAfter !== undefined) extra['retry-after'] = String(fault.retryAfter)
  const json = { 'content-type': 'application/json' }
  if (fault.garbage)
    return {
      status: fault.status ?? 200,
      headers: { ...json, ...extra },
      body: Buffer.from('<!doctype html><title>Oops</title>'),
    }
  if (fault.hugeBody !== undefined) {
    const body = Buffer.from(`{"filler":"${'x'.repeat(Math.max(0, fault.hugeBody - 13))}"}`)
    return { status: fault.status ?? 200, headers: { ...json, ...extra }, body }
  }
  if (
    fault.status === undefined &&
    fault.body === undefined &&
    fault.retryAfter === undefined &&
    !fault.resetMidBody &&
    !fault.stallMidBody
  )
    return undefined
  const status = fault.status ?? (fault.retryAfter === undefined ? 200 : 429)
  if (fault.body instanceof Uint8Array) return { status, headers: extra, body: Buffer.from(fault.body) }
  if (typeof fault.body === 'string') return { status, headers: extra, body: Buffer.from(fault.body) }
  const code = `HTTP-${status}`
  const body =
    fault.body ??
    (status >= 400 ? { errors: [{ code, title: 'Scripted fault', status: String(status) }], traceId: '0' } : {})
  return { status, headers: { ...json, ...extra }, body: Buffer.from(JSON.stringify(body)) }
}

function withResolvers<Value>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve: (value: Value) => void = () => {}
  const promise = new Promise<Value>(settle => {
    resolve = settle
  })
  return { promise, resolve }
}
