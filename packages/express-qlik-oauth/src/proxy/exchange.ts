import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline, type Readable, type Writable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Access } from '../access.ts'
import { Refusal } from '../refusal.ts'
import { type JsonCoding, jsonCoding, jsonRewriter, longestWhole, ofTheBytes, recoding, rewritten } from './json-answer.ts'
import type { LinkRewriter } from './link-rewriter.ts'
import { requestHeaders } from './request-headers.ts'
import { type ResponseHead, responseHead, responseTrailers, without, withoutRepeats } from './response-headers.ts'
import type { RestProxySettings } from './rest-proxy-options.ts'
import type { Connection, ConnectionHandler } from './tenant-connection.ts'
import { upload } from './upload.ts'
import type { Upstream } from './upstream.ts'
import { upstreamRefusal } from './upstream-refusal.ts'

export interface ExchangeContext {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly method: string
  /** Path on the tenant with its query. */
  readonly target: string
  readonly path: string
  readonly hasBody: boolean
  readonly access: Access
  readonly upstream: Upstream
  readonly settings: RestProxySettings
  /** Answers with an error, or cuts off the answer that has begun. */
  fail(request: IncomingMessage, response: ServerResponse, error: unknown): void
}

/** Sends one request to the tenant and passes its answer to the browser. */
export function exchange(context: ExchangeContext, accessToken: string): void {
  new Exchange(context).start(accessToken)
}

/** How the bytes of the answer travel: as they come, kept until the document is whole, through the link rewriter, or through decoder and encoder too. */
type Passage = 'plain' | 'whole' | 'links' | 'recoded'

/**
 * The request's handler at undici: one object per request with the methods undici calls. A class, against the habit of this house, because ten
 * closures for each request cost more than everything else here.
 */
class Exchange implements ConnectionHandler {
  connection: Connection = unsent
  readonly #context: ExchangeContext
  #accessToken = ''
  #refreshed = false
  #sentAgain = false
  #sentAt = 0
  #abort: ((error?: Error) => void) | undefined
  #body: Readable | undefined
  #waiting: NodeJS.Timeout | undefined
  #browserIdle: NodeJS.Timeout | undefined
  #stopWatchingLogin: (() => void) | undefined

  /** The browser has left, or this attempt was given up: nothing of it may reach the browser any more. */
  #over = false
  #settled = true
  #status = 0
  #head: ResponseHead | undefined
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
  #resume: () => void = () => {}

  constructor(context: ExchangeContext) {
    this.#context = context
    this.#sink = context.response
  }

  start(accessToken: string): void {
    this.#context.response.once('close', () => this.#closed())
    this.#send(accessToken)
  }

  /** @param headersMs Time for the head of the answer. */
  #send(accessToken: string, headersMs = this.#context.settings.headersMs): void {
    const { request, method, target, hasBody, upstream, settings } = this.#context
    if (upstream.active >= settings.connections + settings.waiting) throw busy()

    this.#accessToken = accessToken
    this.#abort = undefined
    this.#over = false
    this.#settled = false
    upstream.active += 1
    if (upstream.active > settings.connections) this.#waiting = setTimeout(() => this.#giveUp(busy()), settings.headersMs)
    if (hasBody) this.#body = upload(request, settings.clientMs, settings.bodyBytes)

    const headers = requestHeaders(request, accessToken, hasBody)
    const eventStream = request.headers.accept?.includes('text/event-stream') === true
    upstream.pool.dispatch(
      {
        method: method as Dispatcher.HttpMethod,
        path: target,
        headers,
        body: this.#body ?? null,
        headersTimeout: headersMs,
        bodyTimeout: eventStream ? 0 : settings.bodyMs,
      },
      this,
    )
  }

  onConnect(abort: (error?: Error) => void): void {
    clearTimeout(this.#waiting)
    this.#abort = abort
    this.connection.requests += 1
    this.connection.answer = 'nothing'
    this.#sentAt = performance.now()
    if (this.#over) abort()
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void): boolean {
    if (status < 200) {
      this.#hint(status, raw)
      return true
    }
    if (status === 401 && !this.#refreshed && this.#refresh()) return false

    const { request, response, method, path, upstream, access } = this.#context
    // Qlik's clients take a redirected product-info.json for a sign of Qlik Sense on Windows.
    if (path === productInfo && status >= 300 && status < 400 && status !== 304) {
      this.#giveUp(new Refusal('ERR_NOT_FOUND', 'The tenant does not say what product it is.'))
      return false
    }

    const head = responseHead(raw, upstream.links, path, status)
    this.#status = status
    this.#head = head
    this.#resume = resume
    if (method === 'HEAD' || status === 204 || status === 304) {
      this.#begin(head.headers)
      this.#end()
      return true
    }

    // Only chunks have trailers after them.
    if (head.trailer !== '' && head.contentLength < 0 && request.httpVersionMinor > 0) head.headers.push('trailer', head.trailer)
    const coding = jsonCoding(status, head)
    if (coding !== undefined) this.#rewrite(coding, head)
    if (this.#passage === 'whole') return true
    if (head.contentType.startsWith('text/event-stream')) {
      this.#begin(head.headers)
      response.flushHeaders()
      // It may last for hours; like a socket, it ends with the login.
      this.#stopWatchingLogin = access.onEnd?.(() => this.#giveUp(new Refusal('ERR_LOGIN_ENDED', 'Log in again.')))
    } else if (head.contentLength < 0 || head.contentLength > longestWhole) {
      setImmediate(flushHead, this)
    }
    return true
  }

  onData(chunk: Buffer): boolean {
    this.#bytes += chunk.length
    if (this.#passage === 'whole') return this.#collect(chunk)
    this.#begin()
    if (this.#links !== undefined) return this.#write(this.#links.push(chunk))
    if (this.#passage === 'plain' && this.#bytes === this.#head?.contentLength) {
      this.#end(chunk)
      return true
    }
    return this.#write(chunk)
  }

  onComplete(trailers: readonly (string | Buffer)[] | null): void {
    // undici takes a connection that breaks for the end of a body whose length nobody has told.
    if (this.connection.broken) {
      this.onError(new Refusal('ERR_UPSTREAM_RESET', 'The connection ended before the answer did.'))
      return
    }
    this.#settle()
    if (!this.#ended && this.#passage === 'whole') this.#whole(trailers)
    if (!this.#ended) {
      this.#begin()
      this.#trail(trailers)
      this.#end(this.#links?.end())
    }
    this.#linger()
  }

  onError(error: Error): void {
    this.#settle()
    if (this.#over || this.#ended) return
    const refusal = upstreamRefusal(error)
    if (this.#sendAgain(refusal)) return
    this.#over = true
    const { request, response, fail } = this.#context
    fail(request, response, refusal)
  }

  /** Sends what is known of the head when nothing of the body has come in the meantime. */
  flushHead(): void {
    const { response } = this.#context
    if (this.#begun || this.#over || response.destroyed) return
    try {
      this.#begin()
      response.flushHeaders()
    } catch (error) {
      this.#giveUp(upstreamRefusal(error as Error))
    }
  }

  #rewrite(coding: JsonCoding, head: ResponseHead): void {
    const { contentLength } = head
    this.#coding = coding
    // Compressed documents of unknown length are usually short as well, and starting a decoder for each is dear.
    if (contentLength <= longestWhole && (contentLength >= 0 || coding !== 'identity')) this.#passage = 'whole'
    else this.#stream(coding, head)
  }

  #stream(coding: JsonCoding, head: ResponseHead): void {
    const { response, upstream, settings } = this.#context
    this.#head = { ...head, headers: without(head.headers, ofTheBytes) }
    if (coding === 'identity') {
      this.#passage = 'links'
      this.#links = jsonRewriter(upstream.links)
      return
    }
    const stages = recoding(coding, upstream.links, settings.decompressedBytes)
    this.#passage = 'recoded'
    this.#sink = stages[0]
    this.#begin()
    pipeline(...stages, response, error => {
      if (error !== null && error !== undefined) this.#giveUp(error instanceof Refusal ? error : upstreamRefusal(error))
    })
  }

  #collect(chunk: Buffer): boolean {
    this.#collected.push(chunk)
    const { contentLength } = this.#head ?? { contentLength: -1 }
    if (this.#bytes === contentLength) this.#whole(null)
    else if (this.#bytes > longestWhole) return this.#streamCollected()
    return true
  }

  #streamCollected(): boolean {
    const { head, chunks } = { head: this.#head, chunks: this.#collected }
    this.#collected = []
    if (head === undefined) return true
    this.#stream(this.#coding, head)
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
    const { headers = [], contentLength = -1 } = this.#head ?? {}
    const chunked = trailers !== null && trailers.length > 0
    if (changed === body && (chunked || contentLength >= 0)) this.#begin(headers)
    else if (chunked) this.#begin(without(headers, ofTheBytes))
    else this.#begin([...without(headers, ofTheFraming), 'content-length', String(changed.length)])
    this.#trail(trailers)
    this.#end(changed)
  }

  /** Starts the answer, unless it has been. */
  #begin(headers: string[] = this.#head?.headers ?? []): void {
    if (this.#begun) return
    this.#begun = true
    const { response } = this.#context
    // Beside headers that the application has set, Node keeps only the last of several with one name.
    response.writeHead(this.#status, response.getHeaderNames().length === 0 ? headers : withoutRepeats(headers))
  }

  /** @returns False when undici is to wait until the browser has read. */
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
    this.#browserIdle ??= setTimeout(() => {
      if (this.#paused || response.writableLength > 0) this.#giveUp(new Refusal('ERR_CLIENT_TIMEOUT', 'Nothing of the answer was read.'))
    }, settings.clientMs)
    this.#browserIdle.refresh()
  }

  /** The tenant answered before it had the whole body: the browser may stop sending it, and is not waited for longer than a moment. */
  #linger(): void {
    const { request, hasBody } = this.#context
    if (!hasBody || request.complete) return
    const timer = setTimeout(() => request.complete || request.destroy(), lingerMs)
    request.once('close', () => clearTimeout(timer)).resume()
  }

  /** @returns True when the request is on its way again with another token. */
  #refresh(): boolean {
    const { access, hasBody, request, response, fail } = this.#context
    const next = access.tokens.accessToken({ rejected: this.#accessToken })
    this.#refreshed = true
    if (hasBody) {
      // Its body is gone, so the tenant's answer stands; the next request finds the new token.
      next.catch(() => {})
      return false
    }
    this.#drop()
    next
      .then(accessToken => {
        if (!response.destroyed) this.#send(accessToken)
      })
      .catch((error: unknown) => fail(request, response, error))
    return true
  }

  /**
   * A connection that has served a request may have been closed by the tenant in the same moment in which the next one was sent. What changes
   * nothing is sent once more then, within the time it had. RFC 9110, section 9.2.2.
   */
  #sendAgain({ code }: Refusal): boolean {
    const { method, hasBody, settings } = this.#context
    const { requests, answer } = this.connection
    if (code !== 'ERR_UPSTREAM_RESET' || this.#sentAgain || this.#abort === undefined || requests < 2 || answer !== 'nothing') return false
    if (hasBody || (method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS')) return false

    const leftMs = settings.headersMs - Math.ceil(performance.now() - this.#sentAt)
    if (leftMs <= 0) return false
    this.#sentAgain = true
    this.#send(this.#accessToken, leftMs)
    return true
  }

  #hint(status: number, raw: readonly Buffer[]): void {
    const { request, response, upstream } = this.#context
    if (request.httpVersionMinor === 0 || response.headersSent) return
    if (status === 102) response.writeProcessing()
    if (status !== 103) return
    const link: string[] = []
    for (let index = 0; index + 1 < raw.length; index += 2) {
      if (raw[index]?.toString('latin1').toLowerCase() === 'link') link.push(upstream.links.link(raw[index + 1]?.toString('latin1') ?? ''))
    }
    try {
      response.writeEarlyHints({ link })
    } catch {
      // Node accepts fewer forms of `Link` than the RFC; a hint is never needed.
    }
  }

  #giveUp(error: Refusal): void {
    if (this.#over) return
    this.#drop()
    const { request, response, fail } = this.#context
    fail(request, response, error)
  }

  /** Ends what is under way at the tenant. Whatever undici still reports about it is ignored. */
  #drop(): void {
    this.#over = true
    clearTimeout(this.#waiting)
    if (this.#settled) return
    this.#abort?.()
    this.#body?.destroy()
  }

  #closed(): void {
    clearTimeout(this.#browserIdle)
    this.#stopWatchingLogin?.()
    this.#drop()
  }

  #settle(): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#waiting)
    this.#context.upstream.active -= 1
  }
}

function flushHead(exchange: Exchange): void {
  exchange.flushHead()
}

function busy(): Refusal {
  return new Refusal('ERR_UPSTREAM_BUSY', 'Too many requests wait for the tenant already.')
}

const ofTheFraming: ReadonlySet<string> = new Set([...ofTheBytes, 'trailer'])
const unsent: Connection = { requests: 0, answer: 'nothing', broken: false }
const productInfo = '/resources/autogenerated/product-info.json'
/** More than one write of a socket, so that a quick browser is never the reason to stop reading. */
const mostBuffered = 256 * 1024
const lingerMs = 1000
const longestText = 16 * 1024
const noBytes = Buffer.alloc(0)
