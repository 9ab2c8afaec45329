import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { send, sendJson } from '../http/exchange.ts'
import { QlikError } from '../http/qlik-error.ts'
import type { StoredContent } from '../tenant/resources.ts'
import { badRequest, type Call, generalScopes, notFound, pathParameter, type Route } from './call.ts'

/** Scopes that need temporary contents: apps are imported from and exported to them. */
const uploadScopes = [...generalScopes, 'apps', 'apps:export', 'admin.apps', 'admin.apps:export']

/** Temporary contents and data files: uploads in one request, resumable uploads (tus), downloads with ranges. */
export const contentRoutes: readonly Route[] = [
  { method: 'POST', path: '/api/v1/temp-contents', scopes: uploadScopes, handle: upload },
  { method: 'POST', path: '/api/v1/temp-contents/files', scopes: uploadScopes, handle: beginTus },
  { method: 'OPTIONS', path: '/api/v1/temp-contents/files', scopes: uploadScopes, handle: tusOptions },
  { method: 'HEAD', path: '/api/v1/temp-contents/files/{id}', scopes: uploadScopes, handle: tusOffset },
  { method: 'PATCH', path: '/api/v1/temp-contents/files/{id}', scopes: uploadScopes, handle: tusAppend },
  { method: 'DELETE', path: '/api/v1/temp-contents/files/{id}', scopes: uploadScopes, handle: tusEnd },
  { method: 'GET', path: '/api/v1/temp-contents/{id}', scopes: uploadScopes, handle: download },
  { method: 'GET', path: '/api/v1/temp-contents/{id}/details', scopes: uploadScopes, handle: details },
  { method: 'POST', path: '/api/v1/data-files', scopes: generalScopes, handle: uploadDataFile },
]

/** Reads a body to its end and keeps its first `keepBytes` bytes. @throws QlikError 413 above 2 GiB */
export async function readAndCount(
  request: IncomingMessage,
  keepBytes: number,
): Promise<{ kept: Buffer; size: number }> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    if (size < keepBytes) chunks.push(chunk.subarray(0, keepBytes - size))
    size += chunk.length
    if (size > largestUploadBytes) throw new QlikError(413, 'HTTP-413', 'Payload too large')
  }
  return { kept: Buffer.concat(chunks), size }
}

async function upload(call: Call) {
  const { state, exchange } = call
  const ttl = Number(exchange.url.searchParams.get('ttl') ?? 3600)
  if (!Number.isInteger(ttl) || ttl < 1 || ttl > 259_200) throw badRequest('ttl must be from 1 to 259200 seconds')
  const { kept, size } = await readAndCount(exchange.request, state.settings.keptUploadBytes)
  const content = store(call, exchange.url.searchParams.get('filename') ?? 'content', kept, size, ttl)
  await send(exchange, 201, undefined, { location: `${state.origin}/api/v1/temp-contents/${content.id}` })
}

async function uploadDataFile(call: Call) {
  const { kept, size } = await readAndCount(call.exchange.request, call.state.settings.keptUploadBytes)
  const content = store(call, 'data-file', kept, size, 259_200)
  await sendJson(call.exchange, 201, {
    id: content.id,
    name: content.filename,
    size,
    ownerId: call.user.id,
    contentUpdatedDate: new Date().toISOString(),
  })
}

async function download(call: Call) {
  const { exchange } = call
  const content = ownContent(call)
  const { request, response, url } = exchange
  const disposition = url.searchParams.get('inline') === '1' ? 'inline' : 'attachment'
  const etag = `"${content.id}"`
  const head = {
    ...exchange.headers,
    'content-type': 'application/octet-stream',
    'content-disposition': `${disposition}; filename*=UTF-8''${encodeURIComponent(content.filename)}`,
    'accept-ranges': 'bytes',
    etag,
  }
  if (request.headers['if-none-match'] === etag) return send(exchange, 304, undefined, head)
  const range = rangeOf(request.headers.range, content.size)
  if (range === 'unsatisfiable') {
    return send(exchange, 416, undefined, { ...head, 'content-range': `bytes */${content.size}` })
  }
  if (exchange.injectFault !== undefined && (await exchange.injectFault())) return
  const { start, end } = range ?? { start: 0, end: content.size - 1 }
  response.writeHead(range === undefined ? 200 : 206, {
    ...head,
    'content-length': end - start + 1,
    ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${content.size}` }),
  })
  if (request.method === 'HEAD') response.end()
  else await stream(response, content, start, end)
}

async function details(call: Call) {
  const { id, filename, size, expiresAt } = ownContent(call)
  await sendJson(call.exchange, 200, {
    ID: id,
    Name: filename,
    Size: size,
    TimeToLive: new Date(expiresAt).toISOString(),
  })
}

async function beginTus(call: Call) {
  const { state, exchange } = call
  requireTus(call)
  const length = exchange.request.headers['upload-length']
  if (typeof length !== 'string' || !/^\d+$/.test(length) || Number(length) > largestUploadBytes)
    throw badRequest('Upload-Length is required')
  const name = /(?:^|,)filename ([A-Za-z0-9+/=]+)/.exec(String(exchange.request.headers['upload-metadata'] ?? ''))?.[1]
  const filename = name === undefined ? 'content' : Buffer.from(name, 'base64').toString('utf8')
  const content: StoredContent = { ...blank(call, filename, 3600), announced: Number(length) }
  state.resources.uploads.set(content.id, content)
  await send(exchange, 201, undefined, {
    ...tusHeaders,
    location: `${state.origin}/api/v1/temp-contents/files/${content.id}`,
  })
}

async function tusOptions(call: Call) {
  await send(call.exchange, 204, undefined, {
    ...tusHeaders,
    'tus-version': '1.0.0',
    'tus-extension': 'creation,termination',
    'tus-max-size': largestUploadBytes,
  })
}

async function tusOffset(call: Call) {
  requireTus(call)
  const { size, announced } = ownUpload(call)
  await send(call.exchange, 200, undefined, {
    ...tusHeaders,
    'upload-offset': size,
    'upload-length': announced,
    'cache-control': 'no-store',
  })
}

async function tusAppend(call: Call) {
  requireTus(call)
  const { state, exchange } = call
  const upload = ownUpload(call)
  if (exchange.request.headers['content-type'] !== 'application/offset+octet-stream') {
    throw new QlikError(415, 'HTTP-415', 'Unsupported media type', 'Expected application/offset+octet-stream')
  }
  if (exchange.request.headers['upload-offset'] !== String(upload.size))
    throw new QlikError(409, 'HTTP-409', 'Conflict', 'Upload-Offset does not match')
  const { kept, size } = await readAndCount(
    exchange.request,
    Math.max(0, state.settings.keptUploadBytes - upload.kept.length),
  )
  if (upload.size + size > upload.announced)
    throw new QlikError(413, 'HTTP-413', 'Payload too large', 'The upload exceeds Upload-Length')
  const grown: StoredContent = { ...upload, kept: Buffer.concat([upload.kept, kept]), size: upload.size + size }
  state.resources.uploads.set(grown.id, grown)
  if (grown.size === grown.announced) state.resources.contents.set(grown.id, grown)
  await send(exchange, 204, undefined, { ...tusHeaders, 'upload-offset': grown.size })
}

async function tusEnd(call: Call) {
  requireTus(call)
  const { id } = ownUpload(call)
  call.state.resources.uploads.delete(id)
  call.state.resources.contents.delete(id)
  await send(call.exchange, 204, undefined, tusHeaders)
}

function store(call: Call, filename: string, kept: Buffer, size: number, ttlSeconds: number): StoredContent {
  const content: StoredContent = { ...blank(call, filename, ttlSeconds), kept, size, announced: size }
  call.state.resources.contents.set(content.id, content)
  return content
}

function blank({ state, user }: Call, filename: string, ttlSeconds: number): StoredContent {
  const expiresAt = state.settings.now() + ttlSeconds * 1000
  return { id: randomUUID(), filename, kept: Buffer.alloc(0), size: 0, announced: 0, expiresAt, ownerId: user.id }
}

function ownContent(call: Call): StoredContent {
  const content = call.state.resources.contents.get(pathParameter(call, 'id'))
  if (content === undefined || content.ownerId !== call.user.id) throw notFound('The content')
  if (content.expiresAt <= call.state.settings.now())
    throw new QlikError(410, 'HTTP-410', 'Gone', 'The content has expired')
  return content
}

function ownUpload(call: Call): StoredContent {
  const upload = call.state.resources.uploads.get(pathParameter(call, 'id'))
  if (upload === undefined || upload.ownerId !== call.user.id) throw notFound('The upload')
  return upload
}

function requireTus({ exchange }: Call): void {
  if (exchange.request.headers['tus-resumable'] !== '1.0.0')
    throw new QlikError(412, 'HTTP-412', 'Precondition failed', 'Tus-Resumable must be 1.0.0', tusHeaders)
}

function rangeOf(
  header: string | undefined,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? []
  if (from === '' && to === '') return undefined
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from)
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1)
  return start > end || start >= size ? 'unsatisfiable' : { start, end }
}

/** Sends the kept bytes, then zeros up to the size of the upload. */
async function stream(response: ServerResponse, content: StoredContent, start: number, end: number): Promise<void> {
  // A client that closes the connection ends the download early.
  await pipeline(Readable.from(chunksOf(content, start, end)), response).catch(() => {})
}

function* chunksOf({ kept }: StoredContent, start: number, end: number): Generator<Buffer> {
  const zeros = Buffer.alloc(65_536)
  for (let at = start; at <= end; ) {
    const length = Math.min(zeros.length, end - at + 1)
    const chunk = at < kept.length ? kept.subarray(at, Math.min(at + length, kept.length)) : zeros.subarray(0, length)
    at += chunk.length
    yield chunk
  }
}

const tusHeaders = { 'tus-resumable': '1.0.0' }
const largestUploadBytes = 2 * 1024 ** 3
