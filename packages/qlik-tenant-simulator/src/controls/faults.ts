import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { matches, type RecordedRequest, type RequestMatch } from './request-log.ts'

/** A fault and the requests it applies to. Without a condition it applies to every request. */
export interface Fault {
  readonly method?: string
  /** A path without query, a pattern for path and query, or a predicate. */
  readonly path?: RequestMatch
  /** The `grant_type` of a token request. */
  readonly grant?: string
  /** Applies to upgrades only (true) or to other requests only (false). @default both */
  readonly upgrade?: boolean
  /**
   * `before`: the tenant does not process the request. `after`: the tenant has processed it and only the response fails
   * (JSON, page and redirect responses).
   *
   * @default 'before'
   */
  readonly when?: 'before' | 'after'
  /** Delays the request; then the other properties apply, or the tenant processes the request. */
  readonly delayMs?: number
  /** Holds the request until `release()` of the handle is called. */
  readonly hold?: boolean
  /** Responds with this status. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  /** Response body; an object is sent as JSON. */
  readonly body?: string | Uint8Array | Readonly<Record<string, unknown>>
  /** Sets `Retry-After`. The status is 429 unless `status` is set. */
  readonly retryAfter?: number | string
  /** Closes the connection without a response. */
  readonly reset?: boolean
  /** Closes the connection before the announced `Content-Length` was sent. */
  readonly resetMidBody?: boolean
  /** Sends the header and a part of the body, and keeps the connection open. */
  readonly stallMidBody?: boolean
  /** Sends HTML with the content type of JSON. */
  readonly garbage?: boolean
  /** Sends a JSON document of this many bytes. */
  readonly hugeBody?: number
}

/** A fault that was armed with `next`. */
export interface FaultHandle {
  /** Resolves with the request that the fault was injected into. */
  readonly injected: Promise<RecordedRequest>
  /** Lets held requests continue. */
  release(): void
}

/** Fault injection. Faults are matched in the order they were armed. */
export interface Faults {
  /** Injects a fault into the next matching request. */
  next(fault: Fault): FaultHandle
  /** Injects a fault into every matching request. @returns a function that disarms the fault and releases held requests */
  always(fault: Fault): () => void
  /** Disarms all faults and releases held requests. */
  clear(): void
}

interface ArmedFault extends Fault {
  readonly once: boolean
  readonly released: Promise<void>
  readonly release: () => void
  readonly onInjected: (record: RecordedRequest) => void
}

/** The armed faults. */
export interface FaultScript extends Faults {
  /** The fault for this request. A fault armed with `next` is removed. */
  take(record: RecordedRequest): ArmedFault | undefined
}

/** Creates an empty fault script. */
export function faultScript(): FaultScript {
  const armed = new Set<ArmedFault>()
  const arm = (fault: Fault, once: boolean) => {
    const { promise: released, resolve: release } = withResolvers<void>()
    const { promise: injected, resolve: onInjected } = withResolvers<RecordedRequest>()
    const entry: ArmedFault = { ...fault, once, released, release, onInjected }
    armed.add(entry)
    return { entry, injected }
  }

  return {
    next(fault) {
      const { entry, injected } = arm(fault, true)
      return { injected, release: entry.release }
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
        if (!applies(entry, record)) continue
        if (entry.once) armed.delete(entry)
        entry.onInjected(record)
        return entry
      }
      return undefined
    },
  }
}

/** Injects a fault into a request. @returns whether the fault sent the response */
export async function injectFault(fault: ArmedFault, response: ServerResponse): Promise<boolean> {
  await wait(fault, response)
  if (response.destroyed) return true
  if (fault.reset) {
    response.destroy()
    return true
  }
  const scripted = responseOf(fault)
  if (scripted === undefined) return false
  const { status, headers, body } = scripted
  if (fault.resetMidBody || fault.stallMidBody) {
    response.writeHead(status, { ...headers, 'content-length': body.length + 1_000_000 })
    response.write(body)
    // Flush before closing: the client must see a truncated response, not a missing one.
    if (fault.resetMidBody) response.write('\n', () => setImmediate(() => response.destroy()))
    return true
  }
  response.writeHead(status, { ...headers, 'content-length': body.length }).end(body)
  return true
}

/** Injects a fault into an upgrade. @returns whether the fault sent the response */
export async function injectUpgradeFault(fault: ArmedFault, socket: Duplex): Promise<boolean> {
  await wait(fault, socket)
  if (socket.destroyed) return true
  if (fault.reset) {
    socket.destroy()
    return true
  }
  const scripted = responseOf(fault)
  if (scripted === undefined) return false
  const lines = Object.entries(scripted.headers).flatMap(([name, value]) =>
    [value].flat().map(one => `${name}: ${one}`),
  )
  socket.end(
    Buffer.concat([
      Buffer.from(
        `HTTP/1.1 ${scripted.status} Injected fault\r\n${lines.join('\r\n')}\r\ncontent-length: ${scripted.body.length}\r\nconnection: close\r\n\r\n`,
      ),
      scripted.body,
    ]),
  )
  return true
}

function applies(fault: Fault, record: RecordedRequest): boolean {
  if (fault.method !== undefined && fault.method.toUpperCase() !== record.method) return false
  if (fault.path !== undefined && !matches(fault.path, record)) return false
  if (fault.grant !== undefined && record.body?.grant_type !== fault.grant) return false
  return fault.upgrade === undefined || fault.upgrade === record.upgrade
}

async function wait(fault: ArmedFault, peer: Duplex | ServerResponse): Promise<void> {
  const closed = new Promise<void>(resolve => peer.once('close', resolve))
  if (fault.delayMs !== undefined) {
    const { promise, resolve } = withResolvers<void>()
    const timer = setTimeout(resolve, fault.delayMs)
    await Promise.race([promise, fault.released, closed])
    clearTimeout(timer)
  }
  if (fault.hold) await Promise.race([fault.released, closed])
}

function responseOf(
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
    (status >= 400 ? { errors: [{ code, title: 'Injected fault', status: String(status) }], traceId: '0' } : {})
  return { status, headers: { ...json, ...extra }, body: Buffer.from(JSON.stringify(body)) }
}

function withResolvers<Value>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve: (value: Value) => void = () => {}
  const promise = new Promise<Value>(settle => {
    resolve = settle
  })
  return { promise, resolve }
}
