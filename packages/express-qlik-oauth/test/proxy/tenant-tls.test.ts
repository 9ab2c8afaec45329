import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { selfSigned } from 'test-support/certificate'
import { WebSocket, WebSocketServer } from 'ws'
import { type ProxyProcess, publicUrl, startProxyProcess } from '../support/proxy-processes.ts'
import { endOf } from '../support/socket-setup.ts'

let tenant: Server
let port: number
let directory: string
let trusting: Record<string, string>
let proxy: ProxyProcess | undefined

beforeAll(async () => {
  const certificate = selfSigned('localhost')
  directory = await mkdtemp(join(tmpdir(), 'qlik-tls-'))
  trusting = { NODE_EXTRA_CA_CERTS: join(directory, 'authority.pem') }
  await writeFile(join(directory, 'authority.pem'), certificate.cert)
  tenant = createServer(certificate, (_request, response) => response.end('{"name":"Ada"}'))
  new WebSocketServer({ server: tenant }).on('connection', socket =>
    socket.on('message', (data, binary) => socket.send(data, { binary })),
  )
  tenant.listen(0, '127.0.0.1')
  await once(tenant, 'listening')
  ;({ port } = tenant.address() as AddressInfo)
})
afterEach(() => proxy?.stop())
afterAll(async () => {
  tenant.closeAllConnections()
  await new Promise(done => tenant.close(done))
  await rm(directory, { recursive: true })
})

const open = ({ origin }: ProxyProcess) =>
  new WebSocket(`${origin.replace('http', 'ws')}/qlik/app/x`, { origin: publicUrl })
const get = ({ origin }: ProxyProcess, path: string) =>
  fetch(origin + path, { headers: { 'sec-fetch-site': 'same-origin' } })

async function refusal(asked: ProxyProcess): Promise<{ status: number | undefined; code: string; text: string }> {
  const socket = open(asked)
  socket.on('error', () => {})
  const [, response] = await once(socket, 'unexpected-response')
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  return { status: response.statusCode, code: JSON.parse(text).errors[0].code, text }
}

describe('a tenant over TLS', () => {
  it('is reached by sockets and by REST where its authority is trusted', async () => {
    proxy = await startProxyProcess(`https://localhost:${port}`, trusting)
    const socket = endOf(open(proxy))
    await once(socket.socket, 'open')
    socket.send('hello')
    expect(await socket.message()).toEqual({ data: 'hello', binary: false })
    socket.socket.close(1000)
    expect((await socket.closed).code).toBe(1000)
    expect(await (await get(proxy, '/qlik/api/v1/users/me')).json()).toEqual({ name: 'Ada' })
  })

  it.each([
    ['its certificate is from an unknown authority', () => `https://localhost:${port}`, {}],
    ['its certificate is that of another host', () => `https://127.0.0.1:${port}`, undefined],
  ])(
    'gets no token where %s, and the client 502',
    async (_title, origin, environment: Record<string, string> = trusting) => {
      const requests: string[] = []
      const seen = ({ headers }: { headers: { authorization?: string } }) => requests.push(headers.authorization ?? '')
      tenant.on('upgrade', seen).on('request', seen)
      proxy = await startProxyProcess(origin(), environment)
      for (const _ of [1, 2]) {
        const { status, code, text } = await refusal(proxy)
        expect({ status, code }).toEqual({ status: 502, code: 'tenant_unreachable' })
        expect(text).not.toMatch(/localhost|127\.0\.0\.1|self-signed/)
      }
      const response = await get(proxy, '/qlik/api/v1/users/me')
      expect(response.status).toBe(502)
      expect(await response.text()).not.toMatch(/localhost|127\.0\.0\.1|self-signed/)
      expect(requests).toEqual([])
      expect(await (await fetch(proxy.origin)).text()).toBe('alive')
      expect(proxy.events).toMatchObject(
        [1, 2].map(() => ({ type: 'refused', code: 'ERR_TENANT_UNREACHABLE', status: 502 })),
      )
      tenant.off('upgrade', seen).off('request', seen)
    },
  )
})
