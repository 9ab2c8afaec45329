import { setTimeout as delay } from 'node:timers/promises'
import type { Browser } from 'playwright-core'
import { gapminder, isLoggedIn, logIn, type Visitor } from './visitor.ts'

export interface Load {
  readonly completed: () => number
  /** Everything that failed so far. */
  readonly failures: () => readonly string[]
  stop(): Promise<void>
}

/** Users who read, write, open pages and check their login, each in a loop, a user who logs in again and again, and an open socket. */
export async function startLoad(browser: Browser, origin: string): Promise<Load> {
  const failures: string[] = []
  let completed = 0
  let isStopped = false
  const visitors = await Promise.all(['Ada', 'Ben', 'Tess'].map(user => logIn(browser, origin, user)))

  async function send({ context }: Visitor, method: 'GET' | 'POST', path: string, status: number): Promise<void> {
    const data = method === 'GET' ? {} : { data: { name: `Space ${completed}`, type: 'shared' } }
    try {
      const response = await context.request.fetch(origin + path, {
        method,
        headers: { origin },
        maxRedirects: 0,
        ...data,
      })
      completed += 1
      if (response.status() !== status) {
        const body = await response.text()
        failures.push(`${method} ${path}: ${response.status()} ${body.slice(0, 120)}`)
      }
    } catch (error) {
      if (!isStopped)
        failures.push(`${method} ${path}: ${error instanceof Error ? error.message.split('\n')[0] : error}`)
    }
  }

  async function repeat(step: () => Promise<unknown>): Promise<void> {
    while (!isStopped) await step()
  }

  const loops = visitors.flatMap(visitor => [
    repeat(async () => {
      await send(visitor, 'GET', '/qlik/api/v1/items?limit=2', 200)
      await send(visitor, 'GET', '/account', 200)
      if (!(await isLoggedIn(visitor, origin).catch(() => false))) failures.push('A login was lost')
    }),
    repeat(async () => {
      await send(visitor, 'POST', '/qlik/api/v1/spaces', 201)
      await delay(20)
    }),
  ])
  loops.push(
    repeat(async () => {
      const visitor = await logIn(browser, origin).catch(error => void failures.push(`Login: ${error}`))
      await visitor?.context.close()
    }),
  )
  const socket = await openSocket(visitors[0], origin)

  return {
    completed: () => completed,
    failures: () => failures,
    async stop() {
      isStopped = true
      await Promise.all(loops)
      failures.push(...(await socket.failures()))
      await Promise.all(visitors.map(({ context }) => context.close()))
    },
  }
}

/** A socket of the page's own that reconnects as Qlik's clients do: at once after 4003. Any other end is a failure. */
async function openSocket(visitor: Visitor | undefined, origin: string) {
  if (visitor === undefined) throw new Error('No visitor for the socket')
  const url = `${origin.replace('http', 'ws')}/qlik/app/${gapminder}`
  await visitor.page.evaluate(`{
    window.socketFailures = []
    const connect = () => {
      const socket = new WebSocket(${JSON.stringify(url)})
      let isConnected = false
      socket.onmessage = () => { isConnected = true }
      socket.onclose = ({ code }) => {
        if (code === 4003) connect()
        else window.socketFailures.push('socket ' + (isConnected ? 'closed' : 'refused') + ' with ' + code)
      }
    }
    connect()
  }`)
  return { failures: () => visitor.page.evaluate<string[]>('window.socketFailures') }
}
