import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { describe, expect, it } from '@jest/globals'
import { type LoginStore, machineTokens, memoryLoginStore, qlikClient, type TokenSource } from 'qlik-oauth'
import { createTenant } from 'qlik-tenant-simulator'
import { startApplication } from '../support/application.ts'
import {
  endOf,
  handshakeText,
  rawPeer,
  responseTo,
  type Setup,
  setup,
  socketSuite,
  switching,
} from '../support/socket-setup.ts'
import { loggedIn } from '../support/visitor.ts'

const { start } = socketSuite({ loginOf: request => request.headers.cookie ?? 'no login' })

const of = (login: string) => ({ headers: { cookie: login } })
const responseFor = (login: string) => responseTo(handshakeText(setup, undefined, { Cookie: login }))

describe('sockets of one login', () => {
  it('are refused with 429 above the limit, and no upgrade is sent to the tenant', async () => {
    await start({ maxSocketsPerLogin: 2 })
    await setup.connect(of('ada'))
    await setup.connect(of('ada'))
    expect(await responseFor('ada')).toMatchObject({ status: 429, code: 'too_many_login_sockets' })
    expect(setup.arrived).toHaveLength(2)
    expect(setup.events.at(-1)).toMatchObject({ type: 'refused', code: 'ERR_TOO_MANY_LOGIN_SOCKETS', status: 429 })
  })

  it('are counted per login', async () => {
    await start({ maxSocketsPerLogin: 1 })
    await setup.connect(of('ada'))
    await setup.connect(of('bob'))
    expect(await responseFor('ada')).toMatchObject({ status: 429 })
  })

  it('are counted from their handshake on, so that ten at once do not pass the limit together', async () => {
    await start({ maxSocketsPerLogin: 3 })
    const sockets = Array.from({ length: 10 }, () => setup.open(undefined, of('ada')))
    const results = await Promise.all(
      sockets.map(
        socket =>
          new Promise(resolve => socket.on('open', () => resolve(101)).on('error', error => resolve(error.message))),
      ),
    )
    expect(results.filter(result => result === 101)).toHaveLength(3)
    expect(results.filter(result => /429/.test(String(result)))).toHaveLength(7)
    expect(setup.arrived).toHaveLength(3)
  })

  it.each<[string, (first: Awaited<ReturnType<Setup['connect']>>) => void]>([
    ['the browser closes', ({ browser }) => browser.socket.close()],
    ['the tenant closes', ({ tenant }) => tenant.socket.close()],
    ['the connection of the browser is lost', ({ browser }) => browser.socket.terminate()],
    ['the login ends', () => setup.endLogin()],
  ])('are released when %s', async (_title, end) => {
    await start({ maxSocketsPerLogin: 1 })
    const first = await setup.connect(of('ada'))
    end(first)
    await setup.allClosed()
    await setup.connect(of('ada'))
  })

  it('are released when the tenant refuses', async () => {
    const responses = ['HTTP/1.1 403 Forbidden\r\n\r\n', 'nonsense\r\n\r\n', '']
    await start({
      maxSocketsPerLogin: 1,
      handshakeTimeoutMs: 200,
      onUpgrade: (_request, socket) => socket.end(responses.shift()),
    })
    const statuses: number[] = []
    while (responses.length > 0) statuses.push((await responseFor('ada')).status)
    expect(statuses).toEqual([403, 502, 502])
  })

  it('are released when the browser leaves during the handshake', async () => {
    let asked: (socket: Duplex) => void = () => {}
    await start({ maxSocketsPerLogin: 1, onUpgrade: (_request, socket) => asked(socket) })
    for (const _ of [1, 2, 3]) {
      const arrived = new Promise(resolve => {
        asked = resolve
      })
      const peer = rawPeer(setup, handshakeText(setup, undefined, { Cookie: 'ada' }))
      await arrived
      peer.socket.resetAndDestroy()
      await setup.allClosed()
    }
    expect(setup.arrived).toHaveLength(3)
  })

  it('are counted by client network when the principal has no id', async () => {
    await start({ loginOf: undefined, maxSocketsPerLogin: 1, trustProxy: 1 })
    const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })
    await setup.connect(from('2001:db8::1'))
    await setup.connect(from('192.0.2.1'))
    const sameNetwork = handshakeText(setup, undefined, { 'X-Forwarded-For': '192.0.2.9, 2001:db8::2' })
    expect(String(await rawPeer(setup, sameNetwork).all)).toMatch(/^HTTP\/1\.1 429 /)
    expect(setup.arrived).toHaveLength(2)
  })

  it('are limited to 100 by default', async () => {
    await start()
    for (let batch = 0; batch < 10; batch += 1) await Promise.all(Array.from({ length: 10 }, opened))
    expect(await responseFor('ada')).toMatchObject({ status: 429 })

    async function opened() {
      await once(endOf(setup.open(undefined, of('ada'))).socket, 'open')
    }
  })

  it('are identified by the session cookie', async () => {
    const tenant = await createTenant()
    const application = await startApplication(tenant, { sockets: { maxSocketsPerLogin: 1 } })
    try {
      const ada = await loggedIn(tenant, application.origin)
      const again = await loggedIn(tenant, application.origin)
      await ada.openSocket(application.origin)
      await expect(ada.openSocket(application.origin)).rejects.toThrow('429')
      await again.openSocket(application.origin)
    } finally {
      await application.close()
      await tenant.close()
    }
  })
})

describe('a storm of upgrades', () => {
  it('of one login is cut off with its own code, and others connect as ever', async () => {
    await start({ maxUpgradesPerMinute: 20, onUpgrade: (_request, socket) => socket.end('HTTP/1.1 403 No\r\n\r\n') })
    const heads: string[] = []
    for (let round = 0; round < 10; round += 1)
      heads.push(...(await Promise.all(Array.from({ length: 10 }, () => responseFor('ada')))).map(({ head }) => head))
    expect(heads.filter(head => head.startsWith('HTTP/1.1 403 '))).toHaveLength(20)
    const refused = heads.filter(head => head.startsWith('HTTP/1.1 429 '))
    expect(refused).toHaveLength(80)
    for (const head of refused) expect(head).toMatch(/^retry-after: [1-9]\d?$/m)
    expect(setup.arrived).toHaveLength(20)
    expect(setup.events.at(-1)).toMatchObject({ code: 'ERR_TOO_MANY_LOGIN_UPGRADES' })
    expect(await responseFor('bob')).toMatchObject({ status: 403 })
  })

  it('that never get a response from the tenant holds no more than its share', async () => {
    let accepting = false
    await start({
      maxSockets: 20,
      maxSocketsPerLogin: 5,
      onUpgrade: (request, socket) => {
        if (accepting) socket.write(`${switching(request)}\r\n`)
      },
    })
    const storm = Array.from({ length: 20 }, () => rawPeer(setup, handshakeText(setup, undefined, { Cookie: 'ada' })))
    while (setup.arrived.length < 5 || setup.events.length < 15) await new Promise(setImmediate)
    accepting = true
    const bob = rawPeer(setup, handshakeText(setup, undefined, { Cookie: 'bob' }))
    expect(await bob.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 101 /)
    expect(setup.arrived).toHaveLength(6)
    for (const peer of storm) peer.socket.destroy()
  })

  it('without a signed cookie never reaches the login store', async () => {
    const tenant = await createTenant()
    const store = memoryLoginStore()
    let reads = 0
    const counted: LoginStore = new Proxy(store, {
      get(target, name, receiver) {
        const value: unknown = Reflect.get(target, name, receiver)
        return typeof value !== 'function'
          ? value
          : (...parameters: unknown[]) => {
              reads += 1
              return Reflect.apply(value, target, parameters)
            }
      },
    })
    const application = await startApplication(tenant, { store: counted })
    try {
      const port = Number(new URL(application.origin).port)
      reads = 0
      for (const cookie of ['', 'sid=garbage', 'sid=s%3Aabc.def', `sid=s%3A${'a'.repeat(32)}.${'b'.repeat(43)}`])
        for (let count = 0; count < 25; count += 1) {
          const text = handshakeText({ origin: application.origin }, undefined, { Cookie: cookie })
          expect(String(await rawPeer({ port }, text).all)).toMatch(/^HTTP\/1\.1 401 /)
        }
      expect(reads).toBe(0)
    } finally {
      await application.close()
      await tenant.close()
    }
  })

  it('at a tenant that refuses every token costs one renewal a minute', async () => {
    let source: TokenSource | undefined
    await start({
      authenticate: async () => source && { id: 'machine', tokens: source },
      onUpgrade: (_request, socket) => socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n'),
    })
    let tokenRequests = 0
    setup.upstream.on('request', (request, response) => {
      if (request.url === '/oauth/token') tokenRequests += 1
      const token = { access_token: `token-${tokenRequests}`, token_type: 'bearer', expires_in: 3600 }
      response.writeHead(request.url === '/oauth/token' ? 200 : 404, { 'content-type': 'application/json' })
      response.end(JSON.stringify(token))
    })
    const client = qlikClient({ tenant: setup.tenant, clientId: 'storm', clientSecret: 'secret' })
    source = machineTokens({ client, store: memoryLoginStore() })
    for (let count = 0; count < 20; count += 1) expect(await responseFor('anyone')).toMatchObject({ status: 401 })
    await client.close()
    // The first token, and the one that replaced it.
    expect(tokenRequests).toBe(2)
    expect(setup.arrived).toHaveLength(21)
  })
})
