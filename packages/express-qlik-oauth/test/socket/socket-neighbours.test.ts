import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import { afterEach, describe, expect, it } from '@jest/globals'
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'
import { Server as SocketIoServer } from 'socket.io'
import { io } from 'socket.io-client'
import { createServer as createVite } from 'vite'
import { WebSocket, WebSocketServer } from 'ws'
import { qlikProxy } from '../../src/index.ts'
import { tokenSource } from '../support/rest-proxy.ts'
import { endOf, listen } from '../support/socket-setup.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** A library with WebSockets of its own on the same server. Returns how its client says something and hears it back. */
type Neighbour = (server: Server) => Promise<(port: number) => Promise<string>>

const echo = (socket: WebSocket): unknown => socket.on('message', data => socket.send(`heard ${data}`))
const overWebSocket =
  (path: string, protocols: string[] = []) =>
  async (port: number): Promise<string> => {
    const client = endOf(new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols))
    closers.push(() => client.socket.terminate())
    await once(client.socket, 'open')
    client.send('hello')
    return (await client.message()).data
  }

const neighbours: readonly (readonly [string, Neighbour])[] = [
  [
    'ws with a server and a path',
    async server => {
      new WebSocketServer({ server, path: '/chat' }).on('connection', echo)
      return overWebSocket('/chat')
    },
  ],
  [
    'ws with a server and no path',
    async server => {
      new WebSocketServer({ server }).on('connection', echo)
      return overWebSocket('/anything')
    },
  ],
  [
    'ws without a server, whose application destroys other sockets',
    async server => {
      const sockets = new WebSocketServer({ noServer: true }).on('connection', echo)
      server.on('upgrade', (request, socket, head) => {
        if (request.url === '/chat')
          sockets.handleUpgrade(request, socket, head, client => sockets.emit('connection', client))
        else socket.destroy()
      })
      return overWebSocket('/chat')
    },
  ],
  [
    'socket.io',
    async server => {
      const sockets = new SocketIoServer(server, { destroyUpgradeTimeout: 20 })
      sockets.on('connection', client => client.on('message', (text, reply) => reply(`heard ${text}`)))
      closers.push(() => sockets.engine.close())
      return async port => {
        const client = io(`http://127.0.0.1:${port}`, { transports: ['websocket'] })
        closers.push(() => client.disconnect())
        return await client.timeout(20_000).emitWithAck('message', 'hello')
      }
    },
  ],
  [
    'express-ws',
    async server => {
      const app = express()
      const { app: withSockets } = createRequire(import.meta.url)('express-ws')(app, server)
      withSockets.ws('/chat', echo)
      server.on('request', app)
      return overWebSocket('/chat')
    },
  ],
  [
    'the hot module replacement of Vite',
    async server => {
      const vite = await createVite({
        configFile: false,
        root: import.meta.dirname,
        logLevel: 'silent',
        server: { middlewareMode: true, hmr: { server }, watch: null },
        optimizeDeps: { noDiscovery: true },
      })
      closers.push(() => vite.close())
      vite.ws.on('hello', (_data, client) => client.send('heard', 'hello'))
      return async port => {
        const client = endOf(new WebSocket(`ws://127.0.0.1:${port}/?token=${vite.config.webSocketToken}`, ['vite-hmr']))
        closers.push(() => client.socket.terminate())
        expect(JSON.parse((await client.message()).data)).toEqual({ type: 'connected' })
        client.send(JSON.stringify({ type: 'custom', event: 'hello' }))
        const { event, data } = JSON.parse((await client.message()).data)
        return `${event} ${data}`
      }
    },
  ],
  [
    'http-proxy-middleware',
    async server => {
      const target = createServer()
      new WebSocketServer({ server: target }).on('connection', echo)
      const port = await listen(target)
      closers.push(() => target.close())
      const proxy = createProxyMiddleware({ target: `http://127.0.0.1:${port}`, pathFilter: '/other', ws: true })
      server.on('upgrade', proxy.upgrade)
      return overWebSocket('/other')
    },
  ],
]

describe.each(neighbours)('beside %s', (_title, neighbour) => {
  it.each(['before', 'after'])('sockets of both work when the proxy is attached %s it', async order => {
    const tenant = createServer()
    new WebSocketServer({ server: tenant }).on('connection', echo)
    const tokens = tokenSource(`http://127.0.0.1:${await listen(tenant)}`)
    closers.push(() => tenant.close())

    const server = createServer()
    const port = await listen(server)
    const origin = `http://localhost:${port}`
    let authenticated = (): void => {}
    const lookup = new Promise<void>(resolve => {
      authenticated = resolve
    })
    const qlik = qlikProxy({
      publicUrl: origin,
      async authenticate() {
        await lookup
        return { tokens }
      },
    })
    closers.push(async () => {
      await qlik.close({ graceMs: 1000 })
      server.closeAllConnections()
      server.close()
    })
    if (order === 'before') qlik.attach(server)
    const talk = await neighbour(server)
    if (order === 'after') qlik.attach(server)

    const client = endOf(new WebSocket(`ws://127.0.0.1:${port}/qlik/app/1`, { origin }))
    // The lookup takes longer than socket.io leaves to handshakes.
    setTimeout(authenticated, 60)
    expect(await talk(port)).toBe('heard hello')
    await once(client.socket, 'open')
    client.send('hello')
    expect((await client.message()).data).toBe('heard hello')
    expect(await talk(port)).toBe('heard hello')
    client.send('again')
    expect((await client.message()).data).toBe('heard again')
  })
})

describe('after close', () => {
  it('the server emits as before', async () => {
    const server = createServer()
    const { emit } = server
    const qlik = qlikProxy({ publicUrl: 'http://localhost', authenticate: async () => undefined })
    qlik.attach(server)
    expect(server.emit).not.toBe(emit)
    await qlik.close()
    expect(server.emit).toBe(emit)
    expect(Object.hasOwn(server, 'emit')).toBe(false)
    expect(server.listenerCount('upgrade')).toBe(0)
  })
})
