import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { spawnFromSource } from './child.ts'
import { freePort } from './free-port.ts'
import { launch } from './redis-server.ts'
import { startAll } from './start-all.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'test-support-'))
})
afterAll(() => rm(folder, { recursive: true }))

const file = (name: string) => new URL(name, import.meta.url)

async function outcome(child: ReturnType<typeof spawnFromSource>): Promise<{ code: number | null; lines: string[] }> {
  let written = ''
  child.stderr.on('data', chunk => (written += chunk))
  const [code] = await once(child, 'close')
  return { code, lines: written.split('\n').filter(line => line !== '') }
}

describe('before the tests', () => {
  beforeAll(() => Promise.all(['nginx', 'caddy', 'haproxy'].map(name => writeFile(join(folder, name), ''))))
  const check = (env: Record<string, string>) =>
    outcome(spawnFromSource(file('require-programs.ts').pathname, { env: { PATH: folder, ...env } }))

  it('one line says what to install where it cannot be installed, and the run ends', async () => {
    const { code, lines } = await check({ CHROMIUM_PATH: '/bin/true' })
    expect(code).toBe(1)
    expect(lines.at(-1)).toMatch(/^The tests need redis-server\. Run: apt-get install redis-server /)
    // As root on Debian, the line that announces the installation comes before it.
    expect(lines.length).toBe(lines[0]?.startsWith('Installing') ? 2 : 1)
  })

  it('the balancers that are missing are named too', async () => {
    await rm(join(folder, 'caddy'))
    const { lines } = await check({ REDIS_URL: 'redis://localhost', CHROMIUM_PATH: '/bin/true' })
    await writeFile(join(folder, 'caddy'), '')
    expect(lines.at(-1)).toMatch(/^The tests need caddy\. Run: apt-get install caddy /)
  })

  it('one line says that Chromium does not start', async () => {
    const path = join(folder, 'chromium')
    await writeFile(path, '#!/bin/sh\nexit 3\n')
    await chmod(path, 0o755)
    expect(await check({ REDIS_URL: 'redis://localhost', CHROMIUM_PATH: path })).toEqual({
      code: 1,
      lines: [`Chromium does not start: ${path}. Set CHROMIUM_PATH to one that does.`],
    })
  })

  it('nothing is said where everything is there', async () => {
    const env = { REDIS_URL: 'redis://localhost', CHROMIUM_PATH: '/bin/true' }
    expect(await check(env)).toEqual({ code: 0, lines: [] })
  })
})

describe('after the tests', () => {
  const run = (call: string) =>
    outcome(
      spawn(
        process.execPath,
        [
          '--input-type=module',
          '--eval',
          `import EndOfRun from ${JSON.stringify(file('end-of-run.js').href)}
          const reporter = new EndOfRun({}, { allTestsMs: 50, afterTestsMs: 50 });
          ${call}`,
        ],
        { stdio: ['ignore', 'pipe', 'pipe'] },
      ),
    )

  it('a server that was left open does not keep the run alive', async () => {
    expect(
      await run(
        "(await import('node:http')).createServer().listen(0); reporter.onRunStart(); reporter.onRunComplete()",
      ),
    ).toEqual({ code: 1, lines: [expect.stringMatching(/^A test left something open: .*TCPServerWrap/)] })
  })

  it('a test that does not end is named, and ends', async () => {
    expect(
      await run(
        "reporter.onRunStart(); reporter.onTestFileStart({ path: 'slow.test.ts' }); setInterval(() => {}, 1000)",
      ),
    ).toEqual({ code: 1, lines: ['The tests take too long. Running: slow.test.ts'] })
  })

  it('a run that ends by itself keeps its exit code', async () => {
    expect(await run('reporter.onRunStart(); reporter.onRunComplete()')).toEqual({ code: 0, lines: [] })
  })

  it('a program that a test started ends with the test process', async () => {
    const program = join(folder, 'program.mjs')
    await writeFile(program, 'setInterval(() => {}, 1000); console.log("ready")')
    const child = spawnFromSource(program, { env: {} })
    await once(child.stdout, 'data')
    child.stdio.at(3)?.destroy()
    expect(await once(child, 'exit')).toEqual([1, null])
  })
})

describe('things that start together', () => {
  it('are closed again when one of them fails', async () => {
    const closed: string[] = []
    const one = async (name: string) => ({ close: () => closed.push(name) })
    const failing = Promise.reject(new Error('Port 1 is taken'))
    await expect(startAll(one('first'), failing as Promise<{ close(): void }>, one('last'))).rejects.toThrow('Port 1')
    expect(closed).toEqual(['first', 'last'])
  })
})

describe('a redis-server', () => {
  it('that refuses its configuration fails at once, with its log', async () => {
    await expect(launch(['nonsense yes'])).rejects.toThrow('Bad directive')
  })

  it('fails at once on a port that is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    await expect(launch([], { port: port ?? 0 })).rejects.toThrow('Address already in use')
    server.close()
  })
})

describe('a free port', () => {
  it('leaves room for the bus of a Cluster node, below the ports of outgoing connections', async () => {
    const port = await freePort()
    expect(port).toBeGreaterThan(1023)
    expect(port + 10_000).toBeLessThan(32_768)
  })
})
