import { once } from 'node:events'
import { type Dispatcher, request } from 'undici'
import { WebSocket } from 'ws'
import { type ApplicationName, landing, publicUrl } from './setting.ts'

/** What a login needs of a browser. */
export interface Visitor {
  /** Requests the login route. @returns The authorization request. */
  beginLogin(): Promise<string>
  /** Sends the authorization request. @returns Path and query of the callback. */
  authorize(url: string): Promise<string>
  finishLogin(callback: string): Promise<void>
  visit(path: string, expected?: number): Promise<void>
  logIn(): Promise<void>
  logOut(): Promise<void>
  openSocket(): Promise<WebSocket>
}

const routes: Readonly<
  Record<ApplicationName, { login: string; logout: readonly [method: Dispatcher.HttpMethod, path: string] }>
> = {
  'this project': { login: `/auth/login?returnTo=${landing}`, logout: ['POST', '/auth/logout'] },
  'this project, cached': { login: `/auth/login?returnTo=${landing}`, logout: ['POST', '/auth/logout'] },
  'express-openid-connect': { login: '/login', logout: ['GET', '/logout'] },
}

/** @param initial A Cookie header to start with, such as that of an existing login. */
export function visitor(application: ApplicationName, port: number, initial = ''): Visitor {
  const origin = `http://127.0.0.1:${port}`
  const jar = new Map(
    initial === '' ? [] : initial.split('; ').map(pair => pair.split(/=(.*)/s, 2) as [string, string]),
  )
  const { login, logout } = routes[application]

  function headers(): Record<string, string> {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const sent = {
      accept: 'text/html',
      'x-forwarded-proto': 'https',
      'sec-fetch-site': 'same-origin',
      'user-agent': 'Mozilla/5.0',
    }
    return cookie === '' ? sent : { ...sent, cookie }
  }

  async function send(path: string, expected: number, method: Dispatcher.HttpMethod = 'GET'): Promise<string> {
    const response = await request(origin + path, { method, headers: headers() })
    const text = await response.body.text()
    if (response.statusCode !== expected)
      throw new Error(`${application} responds with ${response.statusCode} to ${path}: ${text.slice(0, 300)}`)
    for (const line of [response.headers['set-cookie'] ?? []].flat()) keep(line)
    return String(response.headers.location ?? '')
  }

  function keep(line: string): void {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
    if (value === '') jar.delete(name)
    else jar.set(name, value)
  }

  const self: Visitor = {
    beginLogin: () => send(login, 302),
    async authorize(url) {
      const response = await request(url)
      await response.body.dump()
      const callback = new URL(String(response.headers.location))
      return callback.pathname + callback.search
    },
    async finishLogin(callback) {
      await send(callback, 302)
    },
    async visit(path, expected = 200) {
      await send(path, expected)
    },
    async logIn() {
      await self.finishLogin(await self.authorize(await self.beginLogin()))
      await self.visit(landing)
    },
    async logOut() {
      const [method, path] = logout
      await send(path, method === 'POST' ? 303 : 302, method)
    },
    async openSocket() {
      const socket = new WebSocket(`${origin.replace('http', 'ws')}/qlik/app/bench`, {
        origin: publicUrl,
        headers: headers(),
      })
      await once(socket, 'open')
      return socket
    },
  }
  return self
}
