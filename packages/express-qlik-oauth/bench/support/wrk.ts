import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Running } from './children.ts'
import { cpuMicroseconds } from './process-cost.ts'

export interface Load {
  readonly path: string
  readonly connections: number
  readonly seconds: number
  /** One Cookie header for all requests, or a Lua script for wrk that sets it. */
  readonly cookie: string | { readonly script: string }
}

export interface Sample {
  /** CPU time of the subject per request. */
  readonly microseconds: number
  readonly perSecond: number
}

const run = promisify(execFile)

/** Puts a subject under load. @throws Error for any response that is not a success. */
export async function sample(
  { process, port }: Running,
  { path, connections, seconds, cookie }: Load,
): Promise<Sample> {
  const own = typeof cookie === 'string' ? ['-H', `cookie: ${cookie}`] : ['-s', cookie.script]
  const headers = ['accept: application/json', 'sec-fetch-site: same-origin', 'user-agent: Mozilla/5.0'].flatMap(
    line => ['-H', line],
  )
  const before = await cpuMicroseconds(process)
  const { stdout } = await run('taskset', [
    ...['-c', '1', 'wrk', '-t', '1', '-c', String(connections), '-d', `${seconds}s`, ...own, ...headers],
    `http://127.0.0.1:${port}/qlik${path}`,
  ])
  const after = await cpuMicroseconds(process)
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0)
  if (requests === 0 || /Non-2xx|Socket errors/.test(stdout)) throw new Error(`wrk: ${stdout}`)
  return { microseconds: (after - before) / requests, perSecond: requests / seconds }
}
