import { spawnSync } from 'node:child_process'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { serveEmbedRuntime } from './serve.ts'

let server: Server

beforeAll(async () => {
  const script = fileURLToPath(new URL('../../scripts/build-embed-runtime.ts', import.meta.url))
  const built = spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), script], { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(built.stderr)
  server = createServer(async (incoming, response) => {
    if (!(await serveEmbedRuntime(incoming, response, (incoming.url ?? '').split('?')[0] ?? '')))
      response.writeHead(418).end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
})

afterAll(() => new Promise(resolve => server.close(resolve)))

/** Sends the path unchanged; `fetch` would resolve dot segments. */
function get(path: string, headers: Record<string, string> = {}, method = 'GET') {
  const { port } = server.address() as AddressInfo
  return new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: Buffer }>((resolve, reject) => {
    request({ port, host: '127.0.0.1', path, headers, method }, response => {
      const parts: Buffer[] = []
      response.on('data', part => parts.push(part))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }),
      )
    })
      .on('error', reject)
      .end()
  })
}

describe('embed runtime over HTTP', () => {
  it('lets browsers revalidate main.js', async () => {
    const first = await get('/qlik-embed/main.js')
    expect(first).toMatchObject({
      status: 200,
      headers: { 'cache-control': 'no-cache', 'content-type': 'text/javascript; charset=utf-8' },
    })
    const again = await get('/qlik-embed/main.js', { 'if-none-match': String(first.headers.etag) })
    expect(again.status).toBe(304)
    expect(again.body).toHaveLength(0)
  })

  it('serves immutable modules, compressed on request', async () => {
    const main = await get('/qlik-embed/main.js')
    const module = /runtime-[0-9A-Z]{8}\.js/.exec(main.body.toString())?.[0]
    const [plain, compressed] = await Promise.all([
      get(`/qlik-embed/${module}`),
      get(`/qlik-embed/${module}`, { 'accept-encoding': 'br, gzip' }),
    ])
    expect(plain.headers['cache-control']).toContain('immutable')
    expect(compressed.headers['content-encoding']).toBe('gzip')
    expect(gunzipSync(compressed.body)).toEqual(plain.body)
    expect(
      (await get(`/qlik-embed/${module}`, { 'accept-encoding': 'gzip;q=0' })).headers['content-encoding'],
    ).toBeUndefined()
  })

  it('responds to HEAD without a body, and rejects POST', async () => {
    await expect(get('/qlik-embed/main.js', {}, 'HEAD')).resolves.toMatchObject({ status: 200, body: Buffer.alloc(0) })
    await expect(get('/qlik-embed/main.js', {}, 'POST')).resolves.toMatchObject({ status: 405 })
  })

  it.each([
    '../package.json',
    '..%2fpackage.json',
    '%2e%2e/package.json',
    '..\\package.json',
    'serve.js',
    'manifest.json',
    '',
    'main.js/',
    'constructor',
    'main.js%00',
  ])('responds with 404 for %j', async name => {
    await expect(get(`/qlik-embed/${name}`)).resolves.toMatchObject({ status: 404 })
  })

  it('ignores other paths', async () => {
    await expect(get('/api/v1/items')).resolves.toMatchObject({ status: 418 })
  })
})
