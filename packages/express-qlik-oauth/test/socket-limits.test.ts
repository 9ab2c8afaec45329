import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { afterEach, describe, expect, it } from '@jest/globals'
import { createTenant } from 'qlik-tenant-simulator'
import { startApplication } from './support/application.ts'
import { endOf, handshakeText, rawPeer, type Setup, type SetupOptions, socketSetup } from './support/socket-setup.ts'
import { loggedIn } from './support/visitor.ts'

let setup: Setup
const start = async (options: SetupOptions = {}) => {
  setup = await socketSetup({ loginOf: request => request.headers.cookie ?? 'nobody', ...options })
}
afterEach(() => setup?.stop())

const of = (login: string) => ({ headers: { cookie: login } })
const responseTo = async (login: string) =>
  (await rawPeer(setup, handshakeText(setup, undefined, { Cookie: login })).all).toString().split('\r\n\r\n')

describe('sockets of one login', () => {
  it('are refused with 429 above the limit, and no upgrade is sent to the tenant', async () => {
    await start({ maxSocketsPerLogin: 2 })
    await setup.connect(of('ada'))
    await setup.connect(of('ada'))
    const [head = '', body = ''] = await responseTo('ada')
    expect(head).toMatch(/^HTTP\/1\.1 429 /)
    expect(JSON.parse(body).errors[0]).toMatchObject({ code: 'too_many_login_sockets', status: '429' })
    expect(setup.arrived).toHaveLength(2)
    expect(setup.events.at(-1)).toMatchObject({ type: 'refused', code: 'ERR_TOO_MANY_LOGIN_SOCKETS', status: 429 })
  })

  it('are counted per login', async () => {
    await start({ maxSocketsPerLogin: 1 })
    await setup.connect(of('ada'))
    await setup.connect(of('bob'))
    expect((await responseTo('ada'))[0]).toMatch(/^HTTP\/1\.1 429 /)
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
    const statuses: string[] = []
    while (responses.length > 0) statuses.push((await responseTo('ada'))[0]?.slice(9, 12) ?? '')
    expect(statuses).toEqual(['403', '502', '502'])
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

  it('are not counted where nobody tells whose they are', async () => {
    setup = await socketSetup({ maxSocketsPerLogin: 1 })
    await setup.connect()
    await setup.connect()
  })

  it('are limited to 100 by default', async () => {
    await start()
    for (let batch = 0; batch < 10; batch += 1) await Promise.all(Array.from({ length: 10 }, opened))
    expect((await responseTo('ada'))[0]).toMatch(/^HTTP\/1\.1 429 /)

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
