import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

/**
 * Serves `/qlik-embed/**` from the bundled embed runtime.
 *
 * Only files listed in the bundle's manifest are served. Modules with a hash in their name are immutable; browsers
 * revalidate `main.js` on each load.
 *
 * @returns false for a path outside `/qlik-embed/`
 */
export async function serveEmbedRuntime(
  request: IncomingMessage,
  response: ServerResponse,
  pathname: string,
): Promise<boolean> {
  if (!pathname.startsWith(prefix)) return false
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return sendText(response, 405, 'Only GET and HEAD are allowed.', { allow: 'GET, HEAD' })

  const names = await bundledFiles()
  if (!names)
    return sendText(
      response,
      503,
      'The embed runtime is not built. Build it with: pnpm --filter qlik-tenant-simulator build:runtime',
    )
  const name = pathname.slice(prefix.length)
  if (!names.has(name)) return sendText(response, 404, 'No such file in the embed runtime.')

  const file = await asset(name)
  const headers = {
    'content-type': name.endsWith('.js') ? 'text/javascript; charset=utf-8' : 'text/plain; charset=utf-8',
    'cache-control': hashedName.test(name) ? 'public, max-age=31536000, immutable' : 'no-cache',
    etag: file.etag,
    vary: 'Accept-Encoding',
    'x-content-type-options': 'nosniff',
    // Pages of other origins load the runtime when the browser accesses the tenant directly. It is the same for all.
    'access-control-allow-origin': '*',
    'cross-origin-resource-policy': 'cross-origin',
  }
  if (isCurrent(request.headers['if-none-match'], file.etag)) {
    response.writeHead(304, headers).end()
    return true
  }
  const isCompressed = acceptsGzip(request.headers['accept-encoding'])
  const body = isCompressed ? file.compressed : file.plain
  response.writeHead(200, {
    ...headers,
    ...(isCompressed ? { 'content-encoding': 'gzip' } : {}),
    'content-length': body.length,
  })
  response.end(request.method === 'HEAD' ? undefined : body)
  return true
}

const prefix = '/qlik-embed/'
/** `src` and `dist` are equally deep below the package, so the path works in both. */
const folder = new URL('../../dist/embed-runtime/', import.meta.url)
const hashedName = /-[0-9A-Z]{8}\.js$/

let manifest: { readonly modified: number; readonly names: ReadonlySet<string> } | undefined

/** File names in the bundle; undefined when it is not built. Rereads the manifest after a new build. */
async function bundledFiles(): Promise<ReadonlySet<string> | undefined> {
  const file = fileURLToPath(new URL('manifest.json', folder))
  try {
    const modified = (await stat(file)).mtimeMs
    if (manifest?.modified !== modified) {
      const { files } = JSON.parse(await readFile(file, 'utf8')) as { readonly files: readonly string[] }
      manifest = { modified, names: new Set(files) }
      assets.clear()
    }
    return manifest.names
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

interface Asset {
  readonly plain: Buffer
  readonly compressed: Buffer
  readonly etag: string
}

const compress = promisify(gzip)
/** Each file is read and compressed once; concurrent requests share the promise. */
const assets = new Map<string, Promise<Asset>>()

function asset(name: string): Promise<Asset> {
  const known = assets.get(name)
  if (known) return known
  const loading = loadAsset(name)
  assets.set(name, loading)
  loading.catch(() => assets.delete(name))
  return loading
}

async function loadAsset(name: string): Promise<Asset> {
  const plain = await readFile(new URL(name, folder))
  // Weak, because both encodings share the tag.
  const etag = `W/"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`
  return { plain, compressed: await compress(plain), etag }
}

function isCurrent(header: string | undefined, etag: string): boolean {
  return (header ?? '').split(',').some(tag => tag.trim() === etag || tag.trim() === etag.slice(2))
}

function acceptsGzip(header: string | string[] | undefined): boolean {
  return String(header ?? '')
    .split(',')
    .some(coding => /^\s*gzip\s*(;\s*q=(1|0\.0*[1-9]\d*|1\.0*|0\.[1-9]\d*))?\s*$/i.test(coding))
}

function sendText(response: ServerResponse, status: number, text: string, headers: Record<string, string> = {}): true {
  response
    .writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', ...headers })
    .end(`${text}\n`)
  return true
}
