import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { startTokenEndpoint, type TokenEndpoint } from './support/token-endpoint.ts'

interface Process {
  readonly child: ChildProcess
  readonly lines: Interface
}

let redis: RedisServer
let endpoint: TokenEndpoint
let processes: Process[]

beforeAll(async () => {
  ;[redis, endpoint] = await Promise.all([startRedis(), startTokenEndpoint()])
  const environment = { TENANT: endpoint.origin, REDIS: redis.url, KEYS: randomBytes(32).toString('base64') }
  processes = await Promise.all(Array.from({ length: 4 }, () => start(environment)))
}, 60_000)

afterAll(async () => {
  await Promise.all(processes.map(({ child }) => stop(child)))
  await endpoint.close()
  await redis.stop()
})

describe('one token for four processes', () => {
  it('is requested once, also when the token endpoint takes longer than three leases', async () => {
    endpoint.answer(() => new Promise(resolve => setTimeout(resolve, 1000, undefined)))
    const got = await Promise.all(processes.map(one => ask(one, '')))
    expect(new Set(got.flat())).toEqual(new Set(['token-1']))
    expect(got.flat()).toHaveLength(100)
    expect(endpoint.requests).toHaveLength(1)
  })

  it('is renewed once when the tenant refuses it everywhere', async () => {
    endpoint.answer(() => undefined)
    const got = await Promise.all(processes.map(one => ask(one, 'token-1')))
    expect(new Set(got.flat())).toEqual(new Set(['token-2']))
    expect(endpoint.requests).toHaveLength(2)
  })
})

async function start(environment: Record<string, string>): Promise<Process> {
  const script = fileURLToPath(new URL('support/machine-process.ts', import.meta.url))
  const child = spawn(process.execPath, ['--conditions=source', '--import', import.meta.resolve('tsx'), script], {
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })
  await once(lines, 'line')
  return { child, lines }
}

async function ask({ child, lines }: Process, line: string): Promise<readonly string[]> {
  const answered = once(lines, 'line')
  child.stdin?.write(`${line}\n`)
  const [text] = await answered
  return JSON.parse(text)
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.stdin?.end()
  await ended
}
