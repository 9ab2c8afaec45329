import { gunzipSync, gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from '@jest/globals'
import { proxyTo, publicUrl } from '../support/rest-proxy.ts'
import { closeAll, get, httpServer, rawServer } from '../support/wire.ts'

afterEach(closeAll)

describe('the location of a finished report', () => {
  const report = (origin: string) => ({
    status: 'done',
    results: [{ location: `${origin}/api/v1/temp-contents/1?inline=1`, outputId: 'a' }],
    meta: { location: `${origin}/api/v1/items` },
  })

  it.each(['identity', 'gzip'])('leads to the proxy, and no other location does (%s)', async coding => {
    let origin = ''
    const tenant = await httpServer((_request, response) => {
      const body = Buffer.from(JSON.stringify(report(origin)))
      response.setHeader('content-type', 'application/json').setHeader('content-encoding', coding)
      response.end(coding === 'gzip' ? gzipSync(body) : body)
    })
    origin = tenant.origin
    const { port } = await proxyTo(origin)
    const received = async (path: string): Promise<unknown> => {
      const bytes = Buffer.from((await get(port, path, { 'accept-encoding': coding })).body, 'latin1')
      return JSON.parse(String(coding === 'gzip' ? gunzipSync(bytes) : bytes))
    }
    expect(await received('/qlik/api/v1/reports/6e1/status')).toEqual({
      ...report(origin),
      results: [{ location: `${publicUrl}/qlik/api/v1/temp-contents/1?inline=1`, outputId: 'a' }],
    })
    expect(await received('/qlik/api/v1/items')).toEqual(report(origin))
  })
})

describe('a Location', () => {
  it.each([
    ['/api/v1/files/caf\u00c3\u00a9', '/qlik/api/v1/files/caf%C3%A9'],
    ['/api/v1/files/caf%C3%A9', '/qlik/api/v1/files/caf%C3%A9'],
    ['/api/v1/files?name=\u00e6\u0097\u00a5', '/qlik/api/v1/files?name=%E6%97%A5'],
  ])('with the bytes %j is percent-encoded once', async (location, expected) => {
    const { origin } = await rawServer(socket =>
      socket.end(`HTTP/1.1 201 Created\r\nlocation: ${location}\r\ncontent-length: 0\r\n\r\n`, 'latin1'),
    )
    const { port } = await proxyTo(origin)
    expect((await get(port, '/qlik/api/v1/files')).headers.location).toBe(expected)
  })
})
