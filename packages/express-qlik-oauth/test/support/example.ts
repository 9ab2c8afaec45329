import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
// The tenant runs in the example's process, so tests go through its pages.
import { authorizeAs } from 'qlik-tenant-simulator'
import { spawnFromSource } from 'test-support/child'
import { freePort } from 'test-support/free-port'
import { type Browser, browser } from './browser.ts'

export interface Example {
  readonly origin: string
  stop(): Promise<void>
}

/** Starts a file of `examples/` from the sources, and waits until it serves. */
export async function startExample(file: string, variables: Record<string, string> = {}): Promise<Example> {
  const port = await freePort()
  const { PATH = '' } = process.env
  const child = spawnFromSource(file, {
    cwd: fileURLToPath(new URL('../../examples', import.meta.url)),
    env: { PATH, PORT: String(port), ...variables },
  })
  const exit = once(child, 'exit')
  let said = ''
  child.stderr.on('data', chunk => {
    said += chunk
  })
  const line = await Promise.race([once(child.stdout, 'data').then(String), exit.then(() => undefined)])
  const origin = /^Open (\S+)/.exec(line ?? '')?.[1]
  if (origin === undefined) throw new Error(`${file} does not serve: ${line ?? ''}${said}`)
  return {
    origin,
    async stop() {
      child.kill()
      await exit
    },
  }
}

/** Logs a new browser in, starting at a page of the application. */
export async function logIn(origin: string, path = '/', user = 'ada'): Promise<Browser> {
  const tab = browser()
  const guarded = await tab.get(origin + path)
  const login = await tab.get(new URL(guarded.headers.get('location') ?? '', origin).href)
  const request = login.headers.get('location') ?? ''
  const callback = await tab.get(await authorizeAs(new URL(request).origin, request, user))
  if (callback.status !== 302) throw new Error(`The callback responded ${callback.status}: ${await callback.text()}`)
  return tab
}
