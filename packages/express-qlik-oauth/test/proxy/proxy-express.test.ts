import { once } from 'node:events'
import { createRequire } from 'node:module'
import { afterEach, describe, expect, it } from '@jest/globals'
import express5, { type Express } from 'express'
import { QlikOAuthError } from 'qlik-oauth'
import { WebSocket, WebSocketServer } from 'ws'
import { type QlikProxy, qlikProxy } from '../../src/qlik-proxy.ts'
import { fromOurPage, publicUrl, tokenSource } from '../support/rest-proxy.ts'
import { closeAll, closing, get, httpServer } from '../support/wire.ts'

afterEach(closeAll)

const express4: typeof express5 = createRequire(import.meta.url)('express-4')

describe.each([
  ['Express 4', express4],
  ['Express 5', express5],
])('in an application of %s', (_title, express) => {
  /** A tenant that says what it was asked, by REST and by sockets. */
  async function tenant(): Promise<string> {
    const { origin, server } = await httpServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      response.setHeader('server', 'tenant').end(`tenant ${request.method} ${request.url} ${body}`)
    })
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', (socket, { url }) => socket.on('message', data => socket.send(`tenant ${url} ${data}`)))
    return origin
  }

  async function application(build: (app: Express, proxy: QlikProxy) => void, ahead = false, mount = '/qlik') {
    const tokens = tokenSource(await tenant())
    const codes: string[] = []
    const proxy = qlikProxy({
      publicUrl,
      mount,
      authenticate: async () => ({ tokens }),
      proxy: { onEvent: ({ code }) => codes.push(code) },
    })
    closing(() => proxy.close())
    const app = express()
    build(app, proxy)
    app.use((request, response) => void response.end(`application ${request.url}`))
    const { port, server } = await httpServer(ahead ? proxy.handler(app) : app)
    proxy.attach(server)
    return { port, codes }
  }

  it.each<[string, boolean, string, (app: Express, proxy: QlikProxy) => void]>([
    ['below its mount', false, '/qlik', (app, { proxy }) => app.use('/qlik', proxy())],
    ['without a mount', false, '/qlik', (app, { proxy }) => app.use(proxy())],
    [
      'in a router',
      false,
      '/analytics/qlik',
      (app, { proxy }) => app.use('/analytics', express.Router().use('/qlik', proxy())),
    ],
    ['ahead of it', true, '/qlik', () => {}],
  ])('works %s', async (_where, ahead, mount, build) => {
    const { port } = await application(build, ahead, mount)
    expect(await get(port, `${mount}/api/v1/x?y=1`)).toMatchObject({
      status: 200,
      body: 'tenant GET /api/v1/x?y=1 ',
      complete: true,
    })
    const posted = await get(port, `${mount}/api/v1/x`, { ...fromOurPage, 'content-length': '3' }, 'POST', 'abc')
    expect(posted).toMatchObject({ status: 200, body: 'tenant POST /api/v1/x abc' })
    expect(posted.headers).not.toHaveProperty('server')
    expect((await get(port, '/other')).body).toBe('application /other')
    expect((await get(port, `${mount}api`)).body).toBe(`application ${mount}api`)
    expect((await get(port, `${mount}/../other`)).status).toBe(400)
    expect((await get(port, `${mount}/api/v1/x`, {}, 'POST')).status).toBe(403)
    expect((await get(port, `${mount}/oauth/token`)).status).toBe(403)

    const socket = new WebSocket(`ws://127.0.0.1:${port}${mount}/app/1`, { headers: { origin: publicUrl } })
    closing(async () => socket.terminate())
    await once(socket, 'open')
    socket.send('hello')
    const [data] = await once(socket, 'message')
    expect(String(data)).toBe('tenant /app/1 hello')
  })

  it('an error that Express responds to has the headers of its status', async () => {
    const { port } = await application(app => {
      app.get('/private', (_request, _response, next) => next(new QlikOAuthError('ERR_SESSION_EXPIRED', 'ended')))
    })
    expect(await get(port, '/private')).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': expect.stringContaining('Session'), 'cache-control': 'no-store' },
    })
  })

  it('names the cause when a body parser runs before it', async () => {
    const { port, codes } = await application((app, { proxy }) => app.use(express.json()).use('/qlik', proxy()))
    const json = { ...fromOurPage, 'content-type': 'application/json', 'content-length': '2' }
    const response = await get(port, '/qlik/api/v1/x', json, 'POST', '{}')
    expect(response).toMatchObject({ status: 500, complete: true })
    expect(JSON.parse(response.body).errors[0]).toMatchObject({
      code: 'body_consumed',
      detail: expect.stringContaining('before express.json()'),
    })
    expect(codes).toEqual(['ERR_BODY_CONSUMED'])
    expect((await get(port, '/qlik/api/v1/x')).status).toBe(200)
  })
})
