import { Transform } from 'node:stream'
import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  createBrotliCompress,
  createBrotliDecompress,
  createGunzip,
  createGzip,
  gunzipSync,
  gzipSync,
} from 'node:zlib'
import { httpError } from '../../http/response/error-response.ts'
import { type LinkRewriter, linkRewriter } from './link-rewriter.ts'
import type { ResponseHead } from './response-headers.ts'
import type { TenantLinks } from './tenant-links.ts'

/** Codings that links can be rewritten in; `identity` is the plain text. */
export type JsonCoding = 'identity' | 'gzip' | 'br'

/** @returns In which coding a response is JSON whose links can be rewritten, `undefined` when they cannot. */
export function jsonCoding(status: number, { contentType, contentEncoding }: ResponseHead): JsonCoding | undefined {
  // A part of a document cannot be parsed, and its offsets must stay.
  if (status === 206 || !json.test(contentType)) return undefined
  return codings.get(contentEncoding.toLowerCase())
}

const json = /^application\/(?:[\w.-]+\+)?json\s*(?:;\s*charset="?utf-8"?\s*)?$/i
const codings: ReadonlyMap<string, JsonCoding> = new Map([
  ['', 'identity'],
  ['identity', 'identity'],
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['br', 'br'],
])

/** Responses up to this length are collected before they are sent. */
export const maxBufferedBytes = 64 * 1024

/**
 * Rewrites a whole document.
 *
 * @param path Of the request.
 * @returns The same buffer when nothing leads to the tenant or the bytes cannot be decompressed; `undefined` when they
 * are too many once decompressed.
 */
export function rewritten(body: Buffer, coding: JsonCoding, links: TenantLinks, path: string): Buffer | undefined {
  if (coding === 'identity') return rewrittenText(body, links, path)

  let text: Buffer
  try {
    text = (coding === 'gzip' ? gunzipSync : brotliDecompressSync)(body, { maxOutputLength: maxBufferedBytes * 8 })
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? undefined : body
  }
  const changed = rewrittenText(text, links, path)
  if (changed === text) return body
  return coding === 'gzip' ? gzipSync(changed, fastGzip) : brotliCompressSync(changed, fastBrotli)
}

/** Rewrites a document of any length as a stream. */
export function jsonRewriter(links: TenantLinks, path: string): LinkRewriter {
  return linkRewriter(links.jsonText, reports.test(path))
}

/** `GET /reports/{id}/status` and `/outputs` contain links to finished reports. */
const reports = /^\/api\/v1\/reports\/[^/]+\/(?:status|outputs)$/

/**
 * The stages that rewrite a compressed document between the tenant and the client.
 *
 * @param maxBytes Largest decompressed length. A longer response fails with ERR_TENANT_RESPONSE.
 */
export function transcoder(
  coding: 'gzip' | 'br',
  rewriter: LinkRewriter,
  maxBytes: number,
): [decoder: Transform, rewriter: Transform, encoder: Transform] {
  let bytes = 0
  const stage = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > maxBytes) done(httpError('ERR_TENANT_RESPONSE', 'The response is too long once decompressed.'))
      else done(null, rewriter.push(chunk))
    },
    flush(done) {
      done(null, rewriter.end())
    },
  })
  return coding === 'gzip'
    ? [createGunzip(), stage, createGzip({ ...fastGzip, flush: constants.Z_SYNC_FLUSH })]
    : [
        createBrotliDecompress(),
        stage,
        createBrotliCompress({ ...fastBrotli, flush: constants.BROTLI_OPERATION_FLUSH }),
      ]
}

const fastGzip = { level: 1 }
const fastBrotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }

function rewrittenText(text: Buffer, links: TenantLinks, path: string): Buffer {
  if (!linkNames.some(name => text.includes(name)) || !linkStarts.some(start => text.includes(start))) return text
  const rewriter = jsonRewriter(links, path)
  const changed = rewriter.push(text)
  const rest = rewriter.end()
  const whole = rest.length === 0 ? changed : Buffer.concat([changed, rest])
  return whole.equals(text) ? text : whole
}

/** Without one of these, a document has no links; Buffers, since a search for a string encodes it each time. */
const linkNames = ['"href"', '"location"'].map(name => Buffer.from(name))
/** How a link to the tenant begins, also with escaped slashes. */
const linkStarts = ['//', '"/', '\\/'].map(start => Buffer.from(start))
