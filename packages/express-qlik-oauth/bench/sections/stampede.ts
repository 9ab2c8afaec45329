import { randomBytes } from 'node:crypto'
import { Pool } from 'undici'
import type { Calls } from '../subjects/token-endpoint.ts'
import { quick } from '../support/arguments.ts'
import { startRedis, startSubject } from '../support/children.ts'
import { startTenant } from '../support/nginx.ts'
import { loginRecord, type Planter, planter } from '../support/planted-logins.ts'
import { signedCookie } from '../support/setting.ts'
import { median, quantile, spread } from '../support/statistics.ts'
import { printTable } from '../support/table.ts'

const processes = 4

interface Stampede {
  /** Response time of the token endpoint. The lease of the refresh lock is 5 s. */
  readonly delayMs: number
  /** Per process. */
  readonly requests: number
  readonly rounds: number
}

const stampedes: readonly Stampede[] = [
  { delayMs: 100, requests: 200, rounds: quick ? 5 : 15 },
  { delayMs: 100, requests: 1, rounds: quick ? 5 : 15 },
  { delayMs: 3000, requests: 200, rounds: quick ? 1 : 3 },
  ...(quick ? [] : [{ delayMs: 6000, requests: 200, rounds: 1 }]),
]

/** The results of requests that were sent at the same moment. */
interface Burst {
  readonly failed: number
  readonly latencies: readonly number[]
}

interface Round {
  readonly fresh: Burst
  readonly expired: Burst
  readonly calls: Calls
}

/** Measures a burst of requests to several processes with an expired access token, beside one with a fresh token. */
export async function stampede(): Promise<void> {
  const redisPort = await startRedis('0,1')
  const endpoint = await startSubject('token-endpoint.ts', [], '0,1')
  const { origin: tenant } = await startTenant(endpoint.port)
  const surroundings = JSON.stringify({ redisPort, tenant })
  const running = await Promise.all(
    Array.from({ length: processes }, () => startSubject('application.ts', ['this project', surroundings], '0,1')),
  )
  const pools = running.map(({ port }) => new Pool(`http://127.0.0.1:${port}`, { connections: 200 }))
  const logins = planter(redisPort)

  async function calls(nextDelayMs: number): Promise<Calls> {
    return (await (await fetch(`${tenant}/oauth/calls?delayMs=${nextDelayMs}`)).json()) as Calls
  }

  async function round({ delayMs, requests }: Stampede): Promise<Round> {
    await calls(delayMs)
    const fresh = await burst(pools, requests, await plant(logins, tenant, 6 * 3600))
    const expired = await burst(pools, requests, await plant(logins, tenant, -1))
    return { fresh, expired, calls: await calls(0) }
  }

  for (let warming = 0; warming < 5; warming += 1) await round({ delayMs: 0, requests: 200, rounds: 1 })
  const rows: string[][] = []
  for (const one of stampedes) {
    const taken: Round[] = []
    while (taken.length < one.rounds) taken.push(await round(one))
    rows.push(...report(one, taken))
  }
  printTable(
    `${processes} processes, all requests at the same moment`,
    [
      'requests to each',
      'rounds',
      '',
      'refreshes per round',
      'failed requests',
      'p50 ms',
      'p99 ms',
      'last ms',
      ...over,
    ],
    rows,
  )
  await logins.close()
  await Promise.all(pools.map(pool => pool.destroy()))
}

/** Stores a login whose access token expires in this time. @returns Its cookie. */
async function plant(logins: Planter, tenant: string, secondsLeft: number): Promise<string> {
  const session = randomBytes(24).toString('base64url')
  const tokens = { refreshToken: `${session}.1.`.padEnd(600, 'r'), expiresAt: Date.now() + secondsLeft * 1000 }
  await logins.plant(session, loginRecord(tenant, tokens))
  return `__Host-sid=${signedCookie(session)}`
}

async function burst(pools: readonly Pool[], requests: number, cookie: string): Promise<Burst> {
  const headers = { cookie, accept: 'application/json', 'sec-fetch-site': 'same-origin' }
  const latencies: number[] = []
  let failed = 0
  const began = performance.now()
  async function ask(pool: Pool): Promise<void> {
    const { statusCode, body } = await pool.request({ method: 'GET', path: '/qlik/api/v1/items', headers })
    await body.dump()
    latencies.push(performance.now() - began)
    if (statusCode !== 200) failed += 1
  }
  await Promise.all(Array.from({ length: requests }, () => pools.map(ask)).flat())
  return { failed, latencies }
}

const over = ["p50 over the endpoint's time", "p99 over the endpoint's time", "last over the endpoint's time"]

function report({ delayMs, requests }: Stampede, rounds: readonly Round[]): string[][] {
  const row = (title: string, refreshes: readonly number[], bursts: readonly Burst[], waitMs?: number): string[] => {
    const latencies = [0.5, 0.99, 1].map(share => bursts.map(burst => quantile(burst.latencies, share)))
    return [
      ...[String(requests), String(rounds.length), title, [...new Set(refreshes)].join(', ')],
      String(bursts.reduce((sum, { failed }) => sum + failed, 0)),
      ...latencies.map(values => median(values).toFixed(0)),
      ...latencies.map(values => (waitMs === undefined ? '' : spread(values.map(latency => latency - waitMs)))),
    ]
  }
  const [fresh, expired] = [rounds.map(round => round.fresh), rounds.map(round => round.expired)]
  return [
    row('fresh token', [0], fresh),
    row(
      `expired, token endpoint takes ${delayMs} ms`,
      rounds.map(({ calls }) => calls.refreshes),
      expired,
      delayMs,
    ),
  ]
}
