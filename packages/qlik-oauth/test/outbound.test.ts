import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { createTenant } from 'qlik-tenant-simulator'
import { selfSigned } from 'test-support/certificate'
import { type ConnectProxy, type ConnectProxyOptions, connectProxy } from 'test-support/connect-proxy'
import {
  clientCredentialsGrant,
  currentUser,
  machineTokens,
  memoryLoginStore,
  type OutboundOptions,
  oauthClients,
  type QlikClient,
  qlikClient,
  regionClient,
  requestTokens,
  revokeToken,
  tenantApi,
} from '../src/index.ts'

const origin = 'https://acme.example'
const certificate = selfSigned('acme.example')
const ca = certificate.cert
const opened: { close(): Promise<unknown> }[] = []
let tenant: Server
let port: number
/** `method path` of each request, and its `qlik-api-version`. */
let requests: string[] = []
let versions: (string | undefined)[] = []

beforeAll(async () => {
  tenant = createServer(certificate, (request, response) => {
    const path = request.url?.split('?')[0] ?? ''
    requests.push(`${request.method} ${path}`)
    versions.push(request.headers['qlik-api-version']?.toString())
    request.resume()
    if (path.startsWith('/.well-known/')) return void response.writeHead(404).end()
    const body = path === '/oauth/token' ? token : path === '/api/v1/oauth-clients' ? { data: [] } : { id: 'ada' }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  tenant.listen(0, '127.0.0.1')
  await once(tenant, 'listening')
  ;({ port } = tenant.address() as AddressInfo)
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map(one => one.close()))
  requests = []
  versions = []
})
afterAll(async () => {
  tenant.closeAllConnections()
  await new Promise(done => tenant.close(done))
})

const token = { access_token: 'the-token', token_type: 'bearer', expires_in: 21_600 }

async function proxy(options: Partial<ConnectProxyOptions> = {}): Promise<ConnectProxy> {
  const started = await connectProxy({ routes: { 'acme.example:443': port }, ...options })
  opened.push(started)
  return started
}

function client(outbound: OutboundOptions, more: { apiVersion?: string; timeoutMs?: number } = {}): QlikClient {
  const made = qlikClient({ tenant: origin, clientId: 'machine', clientSecret: 'secret', outbound, ...more })
  opened.push(made)
  return made
}

const failureOf = (outbound: OutboundOptions, timeoutMs = 5000): Promise<Error & { code: string }> =>
  requestTokens(client(outbound, { timeoutMs }), clientCredentialsGrant()).then(
    () => Promise.reject(new Error('It got a token')),
    error => error,
  )

describe('through a proxy', () => {
  it('go token requests, metadata, users, revocation and REST, over kept-alive tunnels', async () => {
    const { port: proxyPort, tunnels } = await proxy({ credentials: 'user:p@ss' })
    const machine = client({ proxy: `http://user:p%40ss@localhost:${proxyPort}`, ca })
    const { accessToken } = await requestTokens(machine, clientCredentialsGrant())
    expect(await currentUser(machine, accessToken)).toEqual({ id: 'ada' })
    await revokeToken(machine, accessToken, 'access_token')
    const soFar = tunnels.length
    expect(soFar).toBeLessThan(4)

    const tokens = machineTokens({ client: machine, store: memoryLoginStore() })
    const [api, clients] = [tenantApi({ tokens }), oauthClients({ tokens })]
    opened.push(api, clients)
    await api.request({ path: '/api/v1/spaces' })
    expect(await clients.list().next()).toMatchObject({ done: true })
    expect(tunnels.length).toBeGreaterThanOrEqual(soFar + 2)
    expect(new Set(tunnels)).toEqual(new Set(['acme.example:443']))
    expect(requests).toEqual([
      'GET /.well-known/oauth-authorization-server',
      'POST /oauth/token',
      'GET /api/v1/users/me',
      'POST /oauth/revoke',
      'POST /oauth/token',
      'GET /api/v1/spaces',
      'GET /api/v1/oauth-clients',
    ])
  })

  it('goes a region client, to the register host and into the tenants', async () => {
    const { url, tunnels } = await proxy({
      routes: { 'register.eu.qlikcloud.com:443': port, 'acme.eu.qlikcloud.com:443': port },
    })
    const outbound = { proxy: url, ca: [ca, Buffer.from(selfSigned('register.eu.qlikcloud.com').cert)] }
    const region = regionClient({ region: 'eu', clientId: 'r', clientSecret: 's', store: memoryLoginStore(), outbound })
    const inside = region.at('https://acme.eu.qlikcloud.com')
    opened.push(region, inside)
    // The certificate is that of another host: what counts is the way.
    await expect(region.tokens.accessToken()).rejects.toThrow('ERR_TLS_CERT_ALTNAME_INVALID')
    await expect(requestTokens(inside, clientCredentialsGrant())).rejects.toThrow('ERR_TLS_CERT_ALTNAME_INVALID')
    expect(tunnels).toEqual(['register.eu.qlikcloud.com:443', 'acme.eu.qlikcloud.com:443'])
  })

  it('whose own connection is TLS, goes TLS within TLS', async () => {
    const own = selfSigned('localhost')
    const { url, tunnels } = await proxy({ certificate: own })
    await requestTokens(client({ proxy: url, ca: ca + own.cert }), clientCredentialsGrant())
    expect(tunnels).toContain('acme.example:443')
    expect(await failureOf({ proxy: url, ca })).toMatchObject({
      code: 'ERR_OUTBOUND_PROXY_UNREACHABLE',
      message: expect.stringContaining('DEPTH_ZERO_SELF_SIGNED_CERT'),
    })
  })

  it('goes a tenant on loopback only when the option names the proxy', async () => {
    const simulated = await createTenant()
    opened.push(simulated)
    const { url, tunnels } = await proxy({
      routes: { [new URL(simulated.origin).host]: Number(new URL(simulated.origin).port) },
    })
    const machine = (outbound: OutboundOptions) => {
      const made = qlikClient({
        tenant: simulated.origin,
        clientId: 'demo-m2m',
        clientSecret: 'demo-m2m-secret',
        outbound,
      })
      opened.push(made)
      return requestTokens(made, clientCredentialsGrant())
    }
    await machine({ proxy: url })
    const named = tunnels.length
    expect(named).toBeGreaterThan(0)
    await machine({})
    expect(tunnels).toHaveLength(named)
  })

  it('is passed by with `proxy: false`', async () => {
    process.env.HTTPS_PROXY = (await proxy()).url
    try {
      expect(await failureOf({ proxy: false })).toMatchObject({ code: 'ERR_TENANT_UNREACHABLE' })
      await requestTokens(client({ ca }), clientCredentialsGrant())
    } finally {
      delete process.env.HTTPS_PROXY
    }
  })

  it('ends its tunnels when the client is closed', async () => {
    const started = await proxy()
    const machine = client({ proxy: started.url, ca })
    await requestTokens(machine, clientCredentialsGrant())
    expect(started.open).toBeGreaterThan(0)
    await machine.close()
    while (started.open > 0) await new Promise(setImmediate)
  })
})

describe('a proxy that opens no tunnel', () => {
  const answering = (text: string | Buffer, end = true) =>
    proxy({ respond: socket => void (end ? socket.end(text) : socket.write(text)) })
  const secret = 'hidden-password'
  const withSecret = ({ port }: { port: number }) => ({ proxy: `http://user:${secret}@localhost:${port}`, ca })

  it.each([
    ['demands other credentials', () => proxy({ credentials: 'user:other' }), 'ERR_OUTBOUND_PROXY_REFUSED', '407'],
    ['does not allow the tenant', () => proxy({ routes: {} }), 'ERR_OUTBOUND_PROXY_REFUSED', '403'],
    [
      'redirects',
      () => answering('HTTP/1.1 302 Found\r\nlocation: /login\r\n\r\n'),
      'ERR_OUTBOUND_PROXY_REFUSED',
      '302',
    ],
    ['answers something else', () => answering('SSH-2.0-OpenSSH_9.6\r\n'), 'ERR_OUTBOUND_PROXY_RESPONSE', 'HPE_'],
    [
      'sends endless headers',
      () => answering(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(70_000)}`, false),
      'ERR_OUTBOUND_PROXY_RESPONSE',
      'HPE_HEADER_OVERFLOW',
    ],
    ['closes at once', () => answering(''), 'ERR_OUTBOUND_PROXY_UNREACHABLE', 'ECONNRESET'],
    ['has no port open', async () => ({ port: 9 }), 'ERR_OUTBOUND_PROXY_UNREACHABLE', 'ECONNREFUSED'],
  ] as const)('%s', async (_title, start, code, detail) => {
    const started = await start()
    const error = await failureOf(withSecret(started))
    expect(error).toMatchObject({ code, message: expect.stringContaining(`localhost:${started.port}`) })
    expect(error.message).toContain(detail)
    for (let shown: unknown = error; shown instanceof Error; shown = shown.cause)
      expect(String(shown.stack) + JSON.stringify(shown)).not.toMatch(/hidden-password|dXNlcjpoaWRkZW4/)
    expect(requests).toEqual([])
  })

  it('drips or says nothing, until the connect timeout', async () => {
    const sockets: Socket[] = []
    const silent = createTcpServer(socket => sockets.push(socket.on('error', () => {})))
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const started = { port: (silent.address() as AddressInfo).port }
    const dripping = await proxy({
      respond: socket => {
        const timer = setInterval(() => socket.write('H'), 50)
        socket.write('HTTP/1.1 200 OK\r\nx: ')
        socket.once('close', () => clearInterval(timer))
      },
    })
    for (const target of [started, dripping]) {
      expect(await failureOf(withSecret(target), 300)).toMatchObject({
        code: 'ERR_OUTBOUND_PROXY_TIMEOUT',
        message: expect.stringContaining(`localhost:${target.port}`),
      })
    }
    for (const socket of sockets) socket.destroy()
    await new Promise(done => silent.close(done))
  })

  it('opens a tunnel in which nothing answers, until the connect timeout', async () => {
    const started = await answering('HTTP/1.1 200 OK\r\n\r\n', false)
    expect(await failureOf(withSecret(started), 300)).toMatchObject({
      code: 'ERR_TENANT_UNREACHABLE',
      message: expect.stringContaining('UND_ERR_CONNECT_TIMEOUT'),
    })
  })
})

describe('the options of outbound', () => {
  it('open connections with a function of the application', async () => {
    const targets: unknown[] = []
    const machine = client({
      ca,
      async connect({ hostname, port: wanted }) {
        targets.push([hostname, wanted])
        const socket = connect(port, '127.0.0.1')
        await once(socket, 'connect')
        return socket
      },
    })
    await requestTokens(machine, clientCredentialsGrant())
    expect(targets[0]).toEqual(['acme.example', 443])
    expect(await failureOf({ connect: () => Promise.reject(new Error('no way')) })).toMatchObject({
      code: 'ERR_TENANT_UNREACHABLE',
      cause: { message: 'no way' },
    })
  })

  it('trust an authority besides those of Node, which alone do not suffice here', async () => {
    const { url } = await proxy()
    expect(await failureOf({ proxy: url })).toMatchObject({
      code: 'ERR_TENANT_UNREACHABLE',
      message: expect.stringContaining('DEPTH_ZERO_SELF_SIGNED_CERT'),
    })
  })

  it.each([
    [{ proxy: 'ftp://user:hidden@proxy' }, 'outbound.proxy must be the URL of an HTTP proxy'],
    [{ proxy: true }, 'outbound.proxy must be the URL of an HTTP proxy'],
    [{ proxy: '' }, 'outbound.proxy must be the URL of an HTTP proxy'],
    [{ ca: '/etc/ssl/company.pem' }, 'got text without a certificate'],
    [{ ca: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' }, 'cannot be read'],
    [{ ca: [1] }, 'outbound.ca must be certificates as PEM'],
    [{ connect: {} }, 'outbound.connect must be a function'],
    [{ proxy: 'http://proxy', connect: async () => connect(1) }, 'either proxy or connect'],
    [{ dispatcher: {} }, 'outbound has no option dispatcher'],
    ['http://proxy', 'outbound must be an object'],
  ])('are checked at once: %j', (outbound, message) => {
    const options = { tenant: origin, clientId: 'x', outbound } as Parameters<typeof qlikClient>[0]
    expect(() => qlikClient(options)).toThrow(expect.objectContaining({ code: 'ERR_CONFIGURATION' }))
    expect(() => qlikClient(options)).toThrow(message)
    expect(() => qlikClient(options)).not.toThrow('hidden')
  })
})

describe('qlik-api-version', () => {
  it('is sent to the REST API as the client says, and not to OAuth endpoints', async () => {
    const { url } = await proxy()
    for (const more of [{ apiVersion: '2026-11' }, {}]) {
      const machine = client({ proxy: url, ca }, more)
      const api = tenantApi({ tokens: machineTokens({ client: machine, store: memoryLoginStore() }) })
      opened.push(api)
      await api.request({ path: '/api/v1/spaces' })
      await api.request({ path: '/api/v1/spaces', headers: { 'qlik-api-version': 'latest' } })
    }
    const none = undefined
    expect(versions).toEqual([none, none, '2026-11', 'latest', none, none, none, 'latest'])
  })

  it.each(['2026', '2026-13', 'newest', ''])('%j is refused', apiVersion =>
    expect(() => client({}, { apiVersion })).toThrow('apiVersion must be "latest", or a year and month'),
  )
})

it('the CLI goes through HTTPS_PROXY and trusts NODE_EXTRA_CA_CERTS', async () => {
  const { url, tunnels } = await proxy({ credentials: 'user:hidden' })
  const home = await mkdtemp(join(tmpdir(), 'qlik-oauth-outbound-'))
  await writeFile(join(home, 'ca.pem'), ca)
  const cli = async (more: Record<string, string>) => {
    const child = spawn(
      process.execPath,
      [
        '--conditions=source',
        '--import',
        import.meta.resolve('tsx'),
        fileURLToPath(new URL('../src/cli/main.ts', import.meta.url)),
        ...['api', 'GET', '/api/v1/users/me', '--api-version', 'latest'],
      ],
      {
        env: {
          PATH: process.env.PATH,
          XDG_CONFIG_HOME: home,
          XDG_CACHE_HOME: home,
          NODE_EXTRA_CA_CERTS: join(home, 'ca.pem'),
          QLIK_TENANT_URL: origin,
          QLIK_M2M_CLIENT_ID: 'machine',
          QLIK_M2M_CLIENT_SECRET: 'secret',
          ...more,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
    const [code] = await once(child, 'close')
    return { code, output }
  }
  const refused = await cli({ HTTPS_PROXY: url.replace('hidden', 'other-hidden') })
  expect(refused.code).toBe(4)
  expect(refused.output).toContain('with status 407')
  expect(refused.output).not.toContain('hidden')
  expect(await cli({ HTTPS_PROXY: url })).toEqual({ code: 0, output: '{"id":"ada"}' })
  expect(new Set(tunnels)).toEqual(new Set(['acme.example:443']))
  expect(versions.at(-1)).toBe('latest')
  await rm(home, { recursive: true })
})
