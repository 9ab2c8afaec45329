import { pipeline, type Writable } from 'node:stream'
import { httpError } from '../../http/response/error-response.ts'
import { type JsonCoding, jsonCoding, jsonRewriter, maxBufferedBytes, rewritten, transcoder } from './json-body.ts'
import type { LinkRewriter } from './link-rewriter.ts'
import { flushCompressed, flushHead, isUntouched, isUntouchedSink, mergeHead } from './middleware-response.ts'
import {
  type ForwardedRequest,
  type ResponseHead,
  responseTrailers,
  type TenantHeaders,
  withChangedBody,
} from './response-headers.ts'

/** The exchange that a response belongs to. */
export interface ResponseOwner {
  /** Lets the tenant continue after `data` has returned false. */
  resume(): void
  fail(error: unknown): void
}

/**
 * How the body is forwarded: unchanged; collected and rewritten in one piece; rewritten as a stream; or decompressed,
 * rewritten and compressed as a stream.
 */
type BodyMode = 'passthrough' | 'buffered' | 'streamed' | 'transcoded'

/** Sends the tenant's response to the client, no faster than the client reads. */
export class ClientResponse {
  readonly #proxied: ForwardedRequest
  readonly #status: number
  readonly #owner: ResponseOwner
  #head: ResponseHead
  #mode: BodyMode = 'passthrough'
  #coding: JsonCoding = 'identity'
  #rewriter: LinkRewriter | undefined
  #collected: Buffer[] = []
  #receivedBytes = 0
  #sink: Writable
  #changed = false
  #begun = false
  #ended = false
  #paused = false
  #listensForDrain = false
  #watchesClient = false
  /** Each event is sent at once, even by middleware that compresses. */
  #flushes = false

  constructor(proxied: ForwardedRequest, status: number, head: ResponseHead, owner: ResponseOwner) {
    this.#proxied = proxied
    this.#status = status
    this.#head = head
    this.#owner = owner
    this.#sink = proxied.response
  }

  /** Whether the head has been sent. */
  get begun(): boolean {
    return this.#begun
  }

  /** Whether everything has been written to the client's connection. */
  get ended(): boolean {
    return this.#ended
  }

  /** Whether more data is expected from the tenant. */
  get awaitsTenant(): boolean {
    return !this.#ended && !this.#paused
  }

  start(): void {
    const { request, response, method } = this.#proxied
    const coding = jsonCoding(this.#status, this.#head)
    if (method === 'HEAD' || this.#status === 204 || this.#status === 304) {
      // A GET may change the body, and its length with it. RFC 9110, section 9.3.2.
      if (method === 'HEAD' && coding !== undefined) this.#changeBody()
      this.#begin()
      this.#end()
      return
    }
    const { contentLength, trailer } = this.#head
    // Only a chunked body has trailers.
    if (trailer !== '' && contentLength < 0 && request.httpVersionMinor > 0) this.#head.headers.push('trailer', trailer)
    if (coding !== undefined) this.#rewrite(coding)
    if (this.#mode === 'buffered') return
    if (this.#head.isEventStream) {
      this.#begin()
      flushHead(response)
      this.#flushes = true
    } else if (contentLength < 0 || contentLength > maxBufferedBytes) setImmediate(flushLater, this)
  }

  /** @returns False when the tenant must pause until the client has read. */
  data(chunk: Buffer): boolean {
    this.#receivedBytes += chunk.length
    if (this.#mode === 'buffered') return this.#collect(chunk)
    this.#begin()
    if (this.#rewriter !== undefined) return this.#write(this.#rewriter.push(chunk))
    if (this.#mode === 'passthrough' && this.#receivedBytes === this.#head.contentLength) {
      this.#end(chunk)
      return true
    }
    return this.#write(chunk)
  }

  complete(trailers: TenantHeaders): void {
    if (!this.#ended && this.#mode === 'buffered') this.#sendCollected(trailers)
    if (this.#ended) return
    this.#begin()
    this.#addTrailers(trailers)
    this.#end(this.#rewriter?.end())
  }

  /** Sends the head before the first byte of the body. */
  flushHead(): void {
    const { response } = this.#proxied
    if (response.headersSent || response.destroyed) return
    try {
      this.#begin()
      flushHead(response)
    } catch (error) {
      this.#owner.fail(error)
    }
  }

  #rewrite(coding: JsonCoding): void {
    const { contentLength } = this.#head
    this.#coding = coding
    // Compressed documents of unknown length are usually short, and a decoder for each is expensive.
    if (contentLength <= maxBufferedBytes && (contentLength >= 0 || coding !== 'identity')) this.#mode = 'buffered'
    else this.#stream()
  }

  #changeBody(): void {
    this.#changed = true
    this.#head = withChangedBody(this.#head)
  }

  #stream(): void {
    const { response, pool, settings, path } = this.#proxied
    this.#changeBody()
    if (this.#coding === 'identity') {
      this.#mode = 'streamed'
      this.#rewriter = jsonRewriter(pool.links, path)
      return
    }
    const stages = transcoder(this.#coding, jsonRewriter(pool.links, path), settings.decompressedBytes)
    this.#mode = 'transcoded'
    this.#sink = stages[0]
    this.#begin()
    const failed = (error: Error) => this.#owner.fail(error)
    // The callback of `pipeline` runs after the response has closed: too late to distinguish an error from a client
    // that left.
    for (const stage of stages) stage.once('error', failed)
    pipeline(...stages, response, error => {
      if (error !== null && error !== undefined) failed(error)
    })
  }

  #collect(chunk: Buffer): boolean {
    this.#collected.push(chunk)
    if (this.#receivedBytes === this.#head.contentLength) this.#sendCollected({})
    else if (this.#receivedBytes > maxBufferedBytes) return this.#streamCollected()
    return true
  }

  #streamCollected(): boolean {
    const chunks = this.#collected
    this.#collected = []
    this.#stream()
    const body = Buffer.concat(chunks)
    if (this.#rewriter === undefined) return this.#write(body)
    this.#begin()
    return this.#write(this.#rewriter.push(body))
  }

  #sendCollected(trailers: TenantHeaders): void {
    const [first = noBytes] = this.#collected
    const body = this.#collected.length < 2 ? first : Buffer.concat(this.#collected)
    const { links } = this.#proxied.pool
    const changed = rewritten(body, this.#coding, links, this.#proxied.path)
    if (changed === undefined) {
      this.#streamCollected()
      return
    }
    if (changed !== body) this.#changeBody()
    let hasTrailers = false
    for (const _ in trailers) hasTrailers = true
    if (!hasTrailers && (changed !== body || this.#head.contentLength < 0)) {
      const { headers } = this.#head
      const announced = headers.indexOf('trailer')
      if (announced >= 0) headers.splice(announced, 2)
      headers.push('content-length', String(changed.length))
    }
    this.#begin()
    this.#addTrailers(trailers)
    this.#end(changed)
  }

  #begin(): void {
    if (this.#begun) return
    this.#begun = true
    const { response } = this.#proxied
    const { headers } = this.#head
    // A flat list is the fastest form, but middleware that replaces `writeHead` does not expect it: on-headers before
    // 1.1 reads the letters of a name as name and value.
    if (isUntouched(response) && response.getHeaderNames().length === 0) response.writeHead(this.#status, headers)
    else mergeHead(response, this.#status, headers)
  }

  /** @returns False when the tenant must pause until the client has read. */
  #write(chunk: Buffer): boolean {
    const sink = this.#sink
    if (chunk.length === 0) return true
    const accepted: unknown = sink.write(chunk)
    if (this.#flushes) flushCompressed(sink)
    // Middleware that replaces `write` may buffer in a stream of its own, so only its result counts.
    if (accepted === true || (sink.writableLength < maxPendingBytes && isUntouchedSink(sink))) return true
    if (accepted !== false && !sink.writableNeedDrain) return true

    this.#paused = true
    if (!this.#listensForDrain) {
      this.#listensForDrain = true
      sink.on('drain', () => this.#drained())
    }
    this.#watchClient()
    return false
  }

  #drained(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#owner.resume()
  }

  #end(chunk?: Buffer): void {
    const { response } = this.#proxied
    this.#ended = true
    if (chunk === undefined || chunk.length === 0) this.#sink.end()
    // Node sends the head and a string in one write, the head and a buffer in two; latin1 preserves every byte.
    // Middleware that replaces `end` may read a string as UTF-8.
    else if (chunk.length <= maxTextBytes && isUntouchedSink(this.#sink))
      this.#sink.end(chunk.toString('latin1'), 'latin1')
    else this.#sink.end(chunk)
    if (!response.writableFinished && (response.writableLength > 0 || !isUntouchedSink(response))) this.#watchClient()
  }

  #addTrailers(trailers: TenantHeaders): void {
    for (const _ in trailers) {
      this.#proxied.response.addTrailers(responseTrailers(trailers, this.#changed))
      return
    }
  }

  /**
   * A client that does not read must not hold a connection. Node restarts the timeout whenever the kernel accepts more
   * bytes, so a slow client is not disconnected.
   */
  #watchClient(): void {
    const { response, settings } = this.#proxied
    if (this.#watchesClient || typeof response.socket?.setTimeout !== 'function') return
    this.#watchesClient = true
    response.setTimeout(settings.clientMs, () => {
      if (this.#paused || response.writableLength > 0)
        this.#owner.fail(httpError('ERR_CLIENT_TIMEOUT', 'The client stopped reading the response.'))
    })
  }
}

function flushLater(response: ClientResponse): void {
  response.flushHead()
}

/** More than one write of a socket, so that a fast client never pauses the tenant. */
const maxPendingBytes = 256 * 1024
const maxTextBytes = 16 * 1024
const noBytes = Buffer.alloc(0)
