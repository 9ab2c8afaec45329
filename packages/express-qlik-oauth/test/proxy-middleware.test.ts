import { gunzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from '@jest/globals'
import compression from 'compression'
import express, { type RequestHandler } from 'express'
import helmet from 'helmet'
import morgan from 'morgan'
import { proxyTo } from './support/rest-proxy.ts'
import { closeAll, get, httpServer } from './support/wire.ts'

afterEach(closeAll)

const text = 'text of the tenant '.repeat(200)

async function behind(...middleware: RequestHandler[]): Promise<number> {
  const tenant = await httpServer((request, response) => {
    if (request.url === '/api/v1/page') response.setHeader('content-type', 'text/html').end('<p>page</p>')
    else
      response
        .writeHead(200, {
          'content-type': 'text/plain',
          'content-length': text.length,
          'x-request-id': '\u00e9\u00ff',
          link: ['<https://a.example/>; rel=a', '<https://b.example/>; rel=b'],
        })
        // As bytes: Node would write the head of a text as UTF-8.
        .end(Buffer.from(text))
  })
  const { proxy } = await proxyTo(tenant.origin)
  const app = express()
  for (const one of middleware) app.use(one)
  app.use('/qlik', (request, response) => proxy.serve(request, response))
  return (await httpServer(app)).port
}

const expected = {
  'content-type': 'text/plain',
  'x-content-type-options': 'nosniff',
  'cache-control': 'private',
  'x-request-id': '\u00e9\u00ff',
  link: '<https://a.example/>; rel=a, <https://b.example/>; rel=b',
}

describe('middleware in front of the proxy', () => {
  it('of morgan 1.10.0 logs, and headers stay whole', async () => {
    const lines: string[] = []
    const port = await behind(morgan('tiny', { stream: { write: line => void lines.push(line) } }))
    const response = await get(port, '/qlik/api/v1/x')
    expect(response).toMatchObject({ status: 200, body: text, headers: expected, complete: true })
    for (const name of Object.keys(response.headers)) expect(name.length).toBeGreaterThan(2)
    expect(lines.join('')).toMatch(/^GET \/qlik\/api\/v1\/x 200 3800 - /)
  })

  it('compresses', async () => {
    const port = await behind(compression())
    const { status, headers, body } = await get(port, '/qlik/api/v1/x', { 'accept-encoding': 'gzip' })
    expect({ status, headers }).toMatchObject({ status: 200, headers: { ...expected, 'content-encoding': 'gzip' } })
    expect(headers.vary).toMatch(/Cookie/)
    expect(gunzipSync(Buffer.from(body, 'latin1')).toString()).toBe(text)
  })

  it('such as helmet keeps its policy beside the sandbox', async () => {
    const port = await behind(helmet())
    expect((await get(port, '/qlik/api/v1/x')).headers).toMatchObject(expected)
    const page = await get(port, '/qlik/api/v1/page')
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'self';.*, sandbox$/)
    expect(page.headers).toMatchObject({ 'content-disposition': 'attachment', 'x-frame-options': 'SAMEORIGIN' })
  })

  it('may be all of them', async () => {
    const port = await behind(morgan('tiny', { stream: { write: () => {} } }), helmet(), compression())
    const { headers, body } = await get(port, '/qlik/api/v1/x', { 'accept-encoding': 'gzip' })
    expect(headers).toMatchObject({ ...expected, 'content-encoding': 'gzip' })
    expect(gunzipSync(Buffer.from(body, 'latin1')).toString()).toBe(text)
  })
})
