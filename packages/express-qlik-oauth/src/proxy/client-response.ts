import { pipeline, type Writable } from 'node:stream'
import { QlikOAuthError } from 'qlik-oauth'
import { httpError } from '../http/http-error.ts'
import type { ExchangeContext } from './exchange.ts'
import {
  type JsonCoding,
  jsonCoding,
  jsonRewriter,
  longestWhole,
  ofTheBytes,
  recoding,
  rewritten,
} from './json-body.ts'
import type { LinkRewriter } from './link-rewriter.ts'
import { type ResponseHead, responseTrailers, without, withoutRepeats } from './response-headers.ts'
import { tenantError } from './tenant-error.ts'

/** Whoever can break off the exchange that an answer belongs to. */
export interface AnswerOwner {
  giveUp(refusal: QlikOAuthError): void
}

/**
 * How the bytes travel: as they come, kept until the document is whole, through the link rewriter, or through decoder
 * and encoder too.
 */
type Passage = 'plain' | 'whole' | 'links' | 'recoded'

/**
 * The answer on its way to the browser, as fast as the browser reads it. A class for the same reason as the exchange.
 */
export class ClientResponse {
  readonly #context: ExchangeContext
  readonly #owner: AnswerOwner
  readonly #status: number
  readonly #resume: () => void
  #head: ResponseHead
  #begun = false
  #ended = false
  #passage: Passage = 'plain'
  #coding: JsonCoding = 'identity'
  #links: LinkRewriter | undefined
  #collected: Buffer[] = []
  #bytes = 0
  #sink: Writable
  #paused = false
  #listening = false
  #idle: NodeJS.Timeout | undefined

  /** @param resume Makes the tenant's side go on after `data` has returned false. */
  constructor(context: ExchangeContext, owner: AnswerOwner, status: number, head: ResponseHead, resume: () => void) {
    this.#context = context
    this.#owner = owner
    this.#status = status
    this.#head = head
    this.#resume = resume
    this.#sink = context.response
  }

  /** All of it has been handed over to the browser's connection. */
  get ended(): boolean {
    return this.#ended
  }

  start(): void {
    const { request, response, method } = this.#context
    const { headers, contentLength, contentType, trailer } = this.#head
    if (method === 'HEAD' || this.#status === 204 || this.#status === 304) {
      this.#begin(headers)
      this.#end()
      return
    }
    // Only chunks have trailers after them.
    if (trailer !== '' && contentLength < 0 && request.httpVersionMinor > 0) headers.push('trailer', trailer)
    const coding = jsonCoding(this.#status, this.#head)
    if (coding !== undefined) this.#rewrite(coding)
    if (this.#passage === 'whole') return
    if (contentType.startsWith('text/event-stream')) {
      this.#begin()
      response.flushHeaders()
    } else if (contentLength < 0 || contentLength > longestWhole) setImmediate(flushHead, this)
  }

  /** @returns False when the tenant is to wait until the browser has read. */
  data(chunk: Buffer): boolean {
    this.#bytes += chunk.length
    if (this.#passage === 'whole') return this.#collect(chunk)
    this.#begin()
    if (this.#links !== undefined) return this.#write(this.#links.push(chunk))
    if (this.#passage === 'plain' && this.#bytes === this.#head.contentLength) {
      this.#end(chunk)
      return true
    }
    return this.#write(chunk)
  }

  complete(trailers: readonly (string | Buffer)[] | null): void {
    if (!this.#ended && this.#passage === 'whole') this.#whole(trailers)
    if (this.#ended) return
    this.#begin()
    this.#trail(trailers)
    this.#end(this.#links?.end())
  }

  /** The browser's connection is done with the answer. */
  closed(): void {
    clearTimeout(this.#idle)
  }

  /** Sends what is known of the head when nothing of the body has come in the meantime. */
  flushHead(): void {
    const { response } = this.#context
    if (response.headersSent || response.destroyed) return
    try {
      this.#begin()
      response.flushHeaders()
    } catch (error) {
      this.#owner.giveUp(tenantError(error as Error))
    }
  }

  #rewrite(coding: JsonCoding): void {
    const { contentLength } = this.#head
    this.#coding = coding
    // Compressed documents of unknown length are usually short as well, and starting a decoder for each is dear.
    if (contentLength <= longestWhole && (contentLength >= 0 || coding !== 'identity')) this.#passage = 'whole'
    else this.#stream()
  }

  #stream(): void {
    const { response, upstream, settings } = this.#context
    this.#head = { ...this.#head, headers: without(this.#head.headers, ofTheBytes) }
    if (this.#coding === 'identity') {
      this.#passage = 'links'
      this.#links = jsonRewriter(upstream.links)
      return
    }
    const stages = recoding(this.#coding, upstream.links, settings.decompressedBytes)
    this.#passage = 'recoded'
    this.#sink = stages[0]
    this.#begin()
    pipeline(...stages, response, error => {
      if (error !== null && error !== undefined)
        this.#owner.giveUp(error instanceof QlikOAuthError ? error : tenantError(error))
    })
  }

  #collect(chunk: Buffer): boolean {
    this.#collected.push(chunk)
    if (this.#bytes === this.#head.contentLength) this.#whole(null)
    else if (this.#bytes > longestWhole) return this.#streamCollected()
    return true
  }

  #streamCollected(): boolean {
    const chunks = this.#collected
    this.#collected = []
    this.#stream()
    return this.#write(Buffer.concat(chunks))
  }

  #whole(trailers: readonly (string | Buffer)[] | null): void {
    const [first = noBytes] = this.#collected
    const body = this.#collected.length < 2 ? first : Buffer.concat(this.#collected)
    const changed = rewritten(body, this.#coding, this.#context.upstream.links)
    if (changed === undefined) {
      this.#streamCollected()
      return
    }
    const { headers, contentLength } = this.#head
    const chunked = trailers !== null && trailers.length > 0
    if (changed === body && (chunked || contentLength >= 0)) this.#begin(headers)
    else if (chunked) this.#begin(without(headers, ofTheBytes))
    else this.#begin([...without(headers, ofTheFraming), 'content-length', String(changed.length)])
    this.#trail(trailers)
    this.#end(changed)
  }

  /** Starts the answer, unless it has been. */
  #begin(headers = this.#head.headers): void {
    if (this.#begun) return
    this.#begun = true
    const { response } = this.#context
    // Beside headers that the application has set, Node keeps only the last of several with one name.
    response.writeHead(this.#status, response.getHeaderNames().length === 0 ? headers : withoutRepeats(headers))
  }

  /** @returns False when the tenant is to wait until the browser has read. */
  #write(chunk: Buffer): boolean {
    const sink = this.#sink
    if (chunk.length === 0 || sink.write(chunk) || sink.writableLength < mostBuffered) return true

    this.#paused = true
    if (!this.#listening) {
      this.#listening = true
      sink.on('drain', () => this.#drained())
    }
    this.#watchBrowser()
    return false
  }

  #drained(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#resume()
  }

  #end(chunk?: Buffer): void {
    const { response } = this.#context
    this.#ended = true
    if (chunk === undefined || chunk.length === 0) this.#sink.end()
    // Node joins a head and a text in one write, but not a head and bytes; latin1 keeps every byte as it is.
    else if (chunk.length <= longestText) this.#sink.end(chunk.toString('latin1'), 'latin1')
    else this.#sink.end(chunk)
    if (response.writableLength > 0 && !response.writableFinished) this.#watchBrowser()
  }

  #trail(trailers: readonly (string | Buffer)[] | null): void {
    if (trailers === null || trailers.length === 0) return
    this.#context.response.addTrailers(responseTrailers(trailers))
  }

  /** A browser that does not read what is ready for it must not hold a connection for ever. */
  #watchBrowser(): void {
    const { response, settings } = this.#context
    this.#idle ??= setTimeout(() => {
      if (this.#paused || response.writableLength > 0)
        this.#owner.giveUp(httpError('ERR_CLIENT_TIMEOUT', 'Nothing of the answer was read.'))
    }, settings.clientMs)
    this.#idle.refresh()
  }
}

function flushHead(answer: ClientResponse): void {
  answer.flushHead()
}

const ofTheFraming: ReadonlySet<string> = new Set([...ofTheBytes, 'trailer'])
/** More than one write of a socket, so that a quick browser is never the reason to stop reading. */
const mostBuffered = 256 * 1024
const longestText = 16 * 1024
const noBytes = Buffer.alloc(0)
