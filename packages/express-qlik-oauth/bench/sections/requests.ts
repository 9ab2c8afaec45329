import { option, quick } from '../support/arguments.ts'
import { freePort, type Running, startRedis, startSubject } from '../support/children.ts'
import { startNginx, startTenant } from '../support/nginx.ts'
import { plantForAll } from '../support/planted-logins.ts'
import { residentMegabytes } from '../support/process-cost.ts'
import { inTurn } from '../support/rounds.ts'
import { cookie, type Subject, type Surroundings, subjects } from '../support/setting.ts'
import { median, spread } from '../support/statistics.ts'
import { printTable } from '../support/table.ts'
import { sample } from '../support/wrk.ts'

interface RequestKind {
  readonly title: string
  readonly path: string
  readonly bytes: number
  readonly connections: number
  readonly seconds: number
}

interface RunningSubject extends Running {
  readonly subject: Subject
}

const rounds = quick ? 3 : 5
const kinds: readonly RequestKind[] = [
  { title: '2 KB JSON', path: '/api/v1/items', bytes: 2048, connections: 32, seconds: quick ? 2 : 3 },
  {
    title: '2 KB JSON with a link of the tenant',
    path: '/api/v1/linked',
    bytes: 2048,
    connections: 32,
    seconds: quick ? 1 : 2,
  },
  { title: '10 MB', path: '/api/v1/export', bytes: 10 * 1024 * 1024, connections: 4, seconds: quick ? 1 : 2 },
]
const baseline: Subject = 'express-openid-connect + http-proxy-middleware'
const floor: Subject = 'nginx'

/** Measures what a proxied request costs, beside alternatives. */
export async function requests(): Promise<void> {
  const redisPort = await startRedis()
  const { origin: tenant } = await startTenant()
  await plantForAll(redisPort, tenant)
  const running: RunningSubject[] = []
  for (const subject of subjects.filter(name => name.includes(option('only'))))
    running.push({ subject, ...(await startProxy(subject, { redisPort, tenant })) })
  for (const kind of kinds.filter(({ title }) => title.startsWith(option('load')))) await measure(kind, running)
}

async function measure(kind: RequestKind, running: readonly RunningSubject[]): Promise<void> {
  for (const one of running) {
    await check(one, kind)
    await sample(one, { ...kind, cookie, seconds: 1 })
  }
  const samples = await inTurn(running, rounds, one => sample(one, { ...kind, cookie }))
  const costs = (of: Subject): number[] => {
    const one = running.find(({ subject }) => subject === of)
    return one === undefined ? [] : (samples.get(one) ?? []).map(({ microseconds }) => microseconds)
  }
  const ratio = (of: Subject, to: Subject): string => {
    const below = costs(to)
    const ratios = costs(of).flatMap((cost, round) => (below[round] === undefined ? [] : [cost / below[round]]))
    return spread(ratios, 2)
  }
  const rows = running.map(async one => [
    one.subject,
    spread(costs(one.subject)),
    median((samples.get(one) ?? []).map(({ perSecond }) => perSecond)).toFixed(0),
    ratio(one.subject, baseline),
    ratio(one.subject, floor),
    (await residentMegabytes(one.process)).toFixed(0),
  ])
  printTable(
    `${kind.title}, ${kind.connections} connections, ${rounds} rounds of ${kind.seconds} s`,
    ['', 'CPU us/request, median (least-most)', 'requests/s', 'to express-openid-connect', 'to nginx', 'RSS MB'],
    await Promise.all(rows),
  )
}

/** Errors are fast: a subject must respond with success before it is measured. */
async function check({ subject, port }: RunningSubject, { path, bytes }: RequestKind): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/qlik${path}`, {
    headers: { cookie, 'x-forwarded-proto': 'https' },
  })
  const body = await response.arrayBuffer()
  if (response.status !== 200 || Math.abs(body.byteLength - bytes) > 100) {
    throw new Error(
      `${subject} responds with ${response.status} and ${body.byteLength} bytes: ${Buffer.from(body).toString().slice(0, 200)}`,
    )
  }
}

async function startProxy(subject: Subject, surroundings: Surroundings): Promise<Running> {
  if (subject !== 'nginx') return await startSubject('rest-proxy.ts', [subject, JSON.stringify(surroundings)], '0')
  const port = await freePort()
  const upstream = `upstream tenant { server ${surroundings.tenant.slice('http://'.length)}; keepalive 256; }`
  const location = `location /qlik/ { proxy_pass http://tenant/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Cookie ""; }`
  return { port, process: await startNginx({ name: 'proxy', port, outside: upstream, inside: location, cpu: '0' }) }
}
