import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type QlikClient, qlikClient } from '../protocol/client.ts'
import { type LoopbackLoginOptions, loopbackLogin } from './loopback-login.ts'

let tenant: SimulatedTenant
let native: QlikClient

beforeAll(async () => {
  tenant = await createTenant()
  native = qlikClient({ tenant: tenant.origin, clientId: 'demo-native' })
})
afterAll(async () => {
  await native.close()
  await tenant.close()
})

/** A browser whose user logs in. Records its visits and the pages it received. */
function browser(change: (callback: string) => string = callback => callback) {
  const pages: Response[] = []
  const visits: string[] = []
  const openBrowser = async (url: string) => {
    const callback = change(await tenant.authorize(url, user()))
    visits.push(callback)
    pages.push(await fetch(callback))
  }
  return { openBrowser, pages, visits }
}

function user(): string {
  return tenant.users.find(({ roles }) => roles?.includes('TenantAdmin'))?.id ?? ''
}

const login = (options: Partial<LoopbackLoginOptions>) => loopbackLogin({ client: native, ...options })

describe('loopback login', () => {
  it('logs the user in and confirms it in the browser', async () => {
    const { openBrowser, pages, visits } = browser()
    const { tokens, user: loggedIn } = await login({ openBrowser })
    expect(loggedIn.id).toBe(user())
    expect(tokens).toMatchObject({ accessToken: expect.any(String), refreshToken: expect.any(String) })

    const [page] = pages
    const html = (await page?.text()) ?? ''
    expect(page?.status).toBe(200)
    expect(html).toContain('You are logged in')
    expect(page?.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/)
    for (const secret of tenant.issuedSecrets()) expect(html).not.toContain(secret)
    await expect(fetch(visits[0] ?? '')).rejects.toThrow()
  })

  it('sends PKCE and state, and redirects to 127.0.0.1 on a port of its own', async () => {
    const { openBrowser } = browser()
    let requested = new URLSearchParams()
    await login({
      openBrowser: async url => {
        requested = new URL(url).searchParams
        await openBrowser(url)
      },
    })
    expect(Object.fromEntries(requested)).toMatchObject({
      code_challenge_method: 'S256',
      state: expect.stringMatching(/^[\w-]{43}$/),
      redirect_uri: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/callback$/),
    })
  })

  it('listens on ::1 when the redirect URI names it', async () => {
    const { openBrowser, visits } = browser()
    await login({ openBrowser, redirectUri: 'http://[::1]/callback' })
    expect(visits[0]).toMatch(/^http:\/\/\[::1\]:\d+\/callback\?/)
  })

  it('refuses other requests and keeps waiting', async () => {
    const statuses: number[] = []
    const { user: loggedIn } = await login({
      openBrowser: async url => {
        const callback = await tenant.authorize(url, user())
        const { origin } = new URL(callback)
        const foreign = new URL(callback)
        foreign.searchParams.set('state', 'a'.repeat(43))
        const others = [
          `${origin}/`,
          `${origin}/callback/x`,
          `${origin}/favicon.ico`,
          `${origin}/callback`,
          foreign.href,
          `${callback}&state=x`,
        ]
        for (const other of others) statuses.push((await fetch(other)).status)
        statuses.push((await fetch(callback, { method: 'POST' })).status)
        statuses.push((await fetch(callback)).status)
      },
    })
    expect(statuses).toEqual([404, 404, 404, 400, 400, 400, 404, 200])
    expect(loggedIn.id).toBe(user())
  })

  it('survives hostile requests and keeps waiting', async () => {
    const responses: string[] = []
    const { user: loggedIn } = await login({
      openBrowser: async url => {
        const callback = new URL(await tenant.authorize(url, user()))
        const { port, host } = callback
        const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
        const requests = [
          get(`/callback?state=${'é'.repeat(43)}`),
          get(`/callback?state=${encodeURIComponent('é'.repeat(43))}`),
          get(`/callback?state=${'%F0%9F%98%80'.repeat(21)}x`),
          get('/callback?state=%ff%fe'),
          get('/callback?state=%'),
          get(`/callback?state=${'a'.repeat(8000)}`),
          get('//'),
          get('http://['),
          get(`http://evil.example/callback`),
          get('*'),
          `GET /callback HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`,
          `GET /callback HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
          `CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n`,
          'not http at all\r\n\r\n',
        ]
        for (const request of requests) responses.push(await exchange(Number(port), request))
        responses.push(String((await fetch(callback)).status))
      },
    })
    expect(loggedIn.id).toBe(user())
    expect(responses.pop()).toBe('200')
    for (const response of responses) expect(response).toMatch(/^(HTTP\/1\.1 (400|404) |$)/)
  })

  it('closes connections that are still open after the login', async () => {
    const sockets: Socket[] = []
    await login({
      openBrowser: async url => {
        const callback = new URL(await tenant.authorize(url, user()))
        const socket = connect(Number(callback.port), '127.0.0.1')
        sockets.push(socket)
        await once(socket, 'connect')
        socket.write('GET /callback HTTP/1.1\r\nHost: ')
        await fetch(callback)
      },
    })
    const [socket] = sockets
    if (socket === undefined) throw new Error('The browser was not opened')
    socket.resume()
    if (!socket.closed) await once(socket, 'close')
  })

  it('redeems the code once when the response arrives twice', async () => {
    const before = tenant.tokenRequests('authorization_code').length
    let statuses: number[] = []
    await login({
      openBrowser: async url => {
        const callback = await tenant.authorize(url, user())
        statuses = (await Promise.all([fetch(callback), fetch(callback)])).map(({ status }) => status)
      },
    })
    expect(statuses.sort()).toEqual([200, 400])
    expect(tenant.tokenRequests('authorization_code')).toHaveLength(before + 1)
  })

  it('reports an error response without repeating its text in the page', async () => {
    const { openBrowser, pages } = browser(callback => {
      const url = new URL(callback)
      const refused = new URL(url.origin + url.pathname)
      refused.search = String(
        new URLSearchParams({
          state: url.searchParams.get('state') ?? '',
          error: '<script>',
          error_description: '<img src=x>',
        }),
      )
      return refused.href
    })
    await expect(login({ openBrowser })).rejects.toMatchObject({ code: 'ERR_LOGIN_DENIED' })
    const html = (await pages[0]?.text()) ?? ''
    expect(html).toContain('Login denied')
    expect(html).not.toMatch(/<script|<img/)
  })

  it('fails when the code does not belong to this login', async () => {
    const { openBrowser, pages } = browser(callback => callback.replace(/code=[^&]+/, 'code=stolen'))
    await expect(login({ openBrowser })).rejects.toMatchObject({ code: 'ERR_TOKEN_REFUSED', error: 'invalid_grant' })
    expect(pages[0]?.status).toBe(400)
  })

  it('ends when the login is not completed in time', async () => {
    await expect(login({ openBrowser: () => {}, timeoutMs: 20 })).rejects.toMatchObject({ code: 'ERR_LOGIN_DENIED' })
  })

  it('ends and stops listening when it is aborted', async () => {
    const leaving = new AbortController()
    let redirectUri = ''
    const openBrowser = (url: string) => {
      redirectUri = new URL(url).searchParams.get('redirect_uri') ?? ''
      leaving.abort(new Error('cancelled'))
    }
    await expect(login({ openBrowser, signal: leaving.signal })).rejects.toThrow('cancelled')
    await expect(fetch(redirectUri)).rejects.toThrow()
  })

  it.each(['https://127.0.0.1/callback', 'http://example.com/callback', 'http://127.0.0.1/callback?x=1', 'callback'])(
    'refuses the redirect URI %j',
    async redirectUri => {
      await expect(login({ redirectUri })).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' })
    },
  )

  it('refuses a client of a region', async () => {
    const region = qlikClient({
      tenant: tenant.regionOrigin,
      clientId: 'demo-region',
      clientSecret: 'demo-region-secret',
      tier: 'region',
    })
    await expect(loopbackLogin({ client: region })).rejects.toMatchObject({ code: 'ERR_TIER' })
  })

  it.each<[object, string]>([
    [{ timeout: 5 }, 'Did you mean timeoutMs?'],
    [{ client: { tenant: 'https://acme.eu.qlikcloud.com' } }, 'client must be what qlikClient(…) returns'],
    [{ timeoutMs: -1 }, 'timeoutMs must be a whole number'],
  ])('refuses the options %j', async (options, message) => {
    await expect(login(options)).rejects.toMatchObject({
      code: 'ERR_CONFIGURATION',
      message: expect.stringContaining(message),
    })
  })
})

/** Sends bytes to the login's server and returns what comes back until the connection closes. */
async function exchange(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.end(request, 'latin1')
  return await text(socket).catch(() => '')
}
