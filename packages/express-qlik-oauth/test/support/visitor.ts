import { once } from 'node:events'
import type { SimulatedTenant } from 'qlik-tenant-simulator'
import { WebSocket } from 'ws'
import { type Browser, browser } from './browser.ts'

/** A user with a browser, whose requests may go to any process of the application. */
export interface Visitor {
  readonly browser: Browser
  /** The Cookie header of the browser. */
  cookie(): string
  /** Gets JSON, as a script on a page would. */
  call(origin: string, path?: string): Promise<Response>
  /** Whether REST requests reach the tenant. */
  mayCall(origin: string): Promise<boolean>
  logOut(origin: string): Promise<Response>
  /** Opens a WebSocket to an app and waits for the engine's greeting. */
  openSocket(origin: string): Promise<{ closed: Promise<number> }>
}

/** Logs a user in at one process. */
export async function loggedIn(
  tenant: SimulatedTenant,
  origin: string,
  user = 'ada',
  publicUrl = origin,
  headers: Record<string, string> = {},
): Promise<Visitor> {
  const visitor = visits(browser(), origin, publicUrl)
  const login = await visitor.browser.get(`${origin}/auth/login`, headers)
  const callback = new URL(await tenant.authorize(login.headers.get('location') ?? '', user))
  const back = await visitor.browser.get(origin + callback.pathname + callback.search, headers)
  if (back.status !== 302) throw new Error(`The callback responded ${back.status}: ${await back.text()}`)
  return visitor
}

/** The session id in a Cookie header: what stands before its signature. */
export function sessionIdOf(cookie: string): string {
  return /sid=s%3A([^.]+)\./.exec(cookie)?.[1] ?? ''
}

function visits(tab: Browser, home: string, publicUrl: string): Visitor {
  const cookie = () => tab.header(home)
  const call = (origin: string, path = '/qlik/api/v1/items?limit=1') =>
    fetch(origin + path, { headers: { cookie: cookie(), 'sec-fetch-site': 'same-origin' }, redirect: 'manual' })

  return {
    browser: tab,
    cookie,
    call,
    async mayCall(origin) {
      const response = await call(origin)
      await response.arrayBuffer()
      if (response.status !== 200 && response.status !== 401) throw new Error(`REST responded ${response.status}`)
      return response.status === 200
    },
    logOut: origin =>
      fetch(`${origin}/auth/logout`, {
        method: 'POST',
        headers: { cookie: cookie(), 'sec-fetch-site': 'same-origin', accept: 'application/json' },
      }),
    async openSocket(origin) {
      const socket = new WebSocket(`${origin.replace('http', 'ws')}/qlik/app/SessionApp_test`, {
        headers: { cookie: cookie(), origin: publicUrl },
      })
      const closed = new Promise<number>(resolve => socket.once('close', resolve))
      await once(socket, 'message')
      return { closed }
    },
  }
}
