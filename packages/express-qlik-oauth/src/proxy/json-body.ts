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
import { httpError } from '../http/http-error.ts'
import { type LinkRewriter, linkRewriter, linksKey } from './link-rewriter.ts'
import type { ResponseHead } from './response-headers.ts'
import type { TenantLinks } from './tenant-links.ts'

/** Codings that links can be rewritten in; `identity` is the plain text. */
export type JsonCoding = 'identity' | 'gzip' | 'br'

/** Tells whether an answer is JSON whose links can be rewritten, and in which coding it comes. */
export function jsonCoding(status: number, { contentType, contentEncoding }: ResponseHead): JsonCoding | undefined {
  // Parts of a document cannot be understood, and their offsets must stay.
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

/**
 * Rewrites a whole small document.
 *
 * @returns The same bytes when nothing leads to the tenant or the bytes cannot be read; `undefined` when there are too
 * many once decompressed.
 */
export function rewritten(body: Buffer, coding: JsonCoding, links: TenantLinks): Buffer | undefined {
  if (coding === 'identity') return rewrittenText(body, links)

  let text: Buffer
  try {
    text = (coding === 'gzip' ? gunzipSync : brotliDecompressSync)(body, { maxOutputLength: longestWhole * 8 })
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? undefined : body
  }
  const changed = rewrittenText(text, links)
  if (changed === text) return body
  return coding === 'gzip' ? gzipSync(changed, fastGzip) : brotliCompressSync(changed, fastBrotli)
}

/** Answers up to this length are kept whole until they are complete. */
export const longestWhole = 64 * 1024

/**
 * Headers that describe the bytes of the tenant and not ours. A strong ETag stays: the same document is always
 * rewritten in the same way.
 */
export const ofTheBytes: ReadonlySet<string> = new Set([
  'accept-ranges',
  'content-digest',
  'content-length',
  'content-md5',
  'digest',
  'repr-digest',
])

/** Rewrites a document of any length while it passes by. */
export function jsonRewriter(links: TenantLinks): LinkRewriter {
  return linkRewriter(links.jsonText)
}

/**
 * The stages of rewriting a compressed document, to be put between the tenant and the browser.
 *
 * @param longest A few compressed bytes may stand for gigabytes; after so many the answer is cut off.
 */
export function recoding(
  coding: 'gzip' | 'br',
  links: TenantLinks,
  longest: number,
): [decoder: Transform, rewriter: Transform, encoder: Transform] {
  const rewriter = jsonRewriter(links)
  let bytes = 0
  const stage = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > longest) done(httpError('ERR_TENANT_RESPONSE', 'The answer is too long once decompressed.'))
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

function rewrittenText(text: Buffer, links: TenantLinks): Buffer {
  if (!text.includes(linksKey)) return text
  const rewriter = jsonRewriter(links)
  const changed = rewriter.push(text)
  const rest = rewriter.end()
  return rest.length === 0 ? changed : Buffer.concat([changed, rest])
}
