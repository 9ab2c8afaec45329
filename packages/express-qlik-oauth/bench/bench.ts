/**
 * Measures what a proxied request costs, against other ways of doing it. `pnpm bench` takes about six minutes, `pnpm bench --quick` less than three.
 *
 * `--only=` and `--load=` choose by the beginning of a title's or any part of a subject's name; `--cpu-prof` writes profiles to the temporary directory.
 * Needs Linux with redis-server, nginx, wrk and taskset. BENCHMARKS.md says how to read the result.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { loginKey, redisLoginStore } from 'qlik-oauth'
import {
  accessToken,
  clientOptions,
  cookie,
  openIdSessionId,
  refreshToken,
  type Subject,
  type Surroundings,
  sessionId,
  subjects,
  tokenKey,
  userId,
} from './setting.ts'

const quick = process.argv.includes('--quick')
const [rounds, seconds] = quick ? [3, 2] : [5, 3]
const baseline: Subject = 'express-openid-connect + http-proxy-middleware'
const floor: Subject = 'nginx'

interface Load {
  readonly title: string
  readonly path: string
  readonly bytes: number
  readonly connections: number
}
const loads: readonly Load[] = [
  { title: '2 KB JSON', path: '/api/v1/items', bytes: 2048, connections: 32 },
  { title: '2 KB JSON with a link of the tenant', path: '/api/v1/linked', bytes: 2048, connections: 32 },
  { title: '10 MB', path: '/api/v1/export', bytes: 10 * 1024 * 1024, connections: 4 },
]

interface Running {
  readonly subject: Subject
  readonly process: ChildProcess
  readonly port: number
}
interface Sample {
  readonly microseconds: number
  readonly perSecond: number
}

const run = promisify(execFile)
const children: ChildProcess[] = []
const directory = await mkdtemp(join(tmpdir(), 'qlik-bench-'))
function interrupted(): void {
  for (const child of children) child.kill('SIGTERM')
  process.exit(1)
}
for (const event of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(event, interrupted)
process.stdout.on('error', interrupted)
try {
  await main()
} finally {
  for (const child of children) child.kill('SIGTERM')
  await Promise.all(children.map(child => (child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined)))
  await rm(directory, { recursive: true, force: true })
}

async function main(): Promise<void> {
  const redisPort = await freePort()
  start('redis-server', ['--port', String(redisPort), '--save', '', '--appendonly', 'no', '--bind', '127.0.0.1'], 1)
  const tenant = await startTenant()
  await plantLogins(redisPort, tenant)

  const wanted = subjects.filter(subject => subject.includes(option('only')))
  const running: Running[] = []
  for (const subject of wanted) running.push(await startSubject(subject, { redisPort, tenant }))
  say(
    `Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, ${rounds} rounds of ${seconds} s, ${new Date().toISOString().slice(0, 10)}\n`,
  )
  for (const load of loads.filter(({ title }) => title.startsWith(option('load')))) await measure(load, running)
}

async function measure(load: Load, running: readonly Running[]): Promise<void> {
  const samples = new Map<Subject, Sample[]>(running.map(({ subject }) => [subject, []]))
  for (const one of running) {
    await check(one, load)
    await sample(one, load, 1)
  }
  for (let round = 0; round < rounds; round += 1) {
    // Each round in another order, so that what the machine does meanwhile hits all alike.
    const order = running.map((_, index) => running[(index * (round % 2 === 0 ? 1 : -1) + round + running.length) % running.length])
    for (const one of order) if (one !== undefined) samples.get(one.subject)?.push(await sample(one, load, seconds))
  }

  const ratio = (of: Subject, to: Subject): string => {
    const [top, bottom] = [samples.get(of) ?? [], samples.get(to) ?? []]
    const ratios = top.flatMap(({ microseconds }, index) =>
      bottom[index] === undefined ? [] : [microseconds / bottom[index].microseconds],
    )
    return ratios.length === 0 ? '' : `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}-${Math.max(...ratios).toFixed(2)})`
  }
  say(`### ${load.title}, ${load.connections} connections\n`)
  say('| | CPU us/request, median (least-most) | requests/s | to express-openid-connect | to nginx | RSS MB |')
  say('|---|---|---|---|---|---|')
  for (const { subject, process } of running) {
    const list = samples.get(subject) ?? []
    const costs = list.map(({ microseconds }) => microseconds)
    const cost = `${median(costs).toFixed(0)} (${Math.min(...costs).toFixed(0)}-${Math.max(...costs).toFixed(0)})`
    const rate = median(list.map(({ perSecond }) => perSecond)).toFixed(0)
    say(`| ${subject} | ${cost} | ${rate} | ${ratio(subject, baseline)} | ${ratio(subject, floor)} | ${await memory(process)} |`)
  }
  say('')
}

/** A subject that answers with an error is quick; it must not be measured. */
async function check({ subject, port }: Running, { path, bytes }: Load): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/qlik${path}`, { headers: { cookie, 'x-forwarded-proto': 'https' } })
  const body = await response.arrayBuffer()
  if (response.status !== 200 || Math.abs(body.byteLength - bytes) > 100) {
    throw new Error(`${subject} answers ${response.status} with ${body.byteLength} bytes: ${Buffer.from(body).toString().slice(0, 200)}`)
  }
}

async function sample({ process, port }: Running, { path, connections }: Load, duration: number): Promise<Sample> {
  const before = await cpuTicks(process)
  const headers = [
    '-H',
    `cookie: ${cookie}`,
    '-H',
    'accept: application/json',
    '-H',
    'sec-fetch-site: same-origin',
    '-H',
    'user-agent: Mozilla/5.0',
  ]
  const { stdout } = await run('taskset', [
    ...['-c', '1', 'wrk', '-t', '1', '-c', String(connections), '-d', `${duration}s`, ...headers],
    `http://127.0.0.1:${port}/qlik${path}`,
  ])
  const after = await cpuTicks(process)
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0)
  if (requests === 0 || /Non-2xx/.test(stdout)) throw new Error(`wrk: ${stdout}`)
  return { microseconds: ((after - before) * 10_000) / requests, perSecond: requests / duration }
}

/** User and system time of a process and its workers, in ticks of 10 ms. */
async function cpuTicks({ pid }: ChildProcess): Promise<number> {
  const workers = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').filter(Boolean)
  const times = await Promise.all(
    [pid, ...workers].map(async id => {
      const fields = (await readFile(`/proc/${id}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ')
      return Number(fields[11]) + Number(fields[12])
    }),
  )
  return times.reduce((sum, time) => sum + time, 0)
}

async function memory({ pid }: ChildProcess): Promise<string> {
  const [, kilobytes = '0'] = /VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
  return (Number(kilobytes) / 1024).toFixed(0)
}

async function startSubject(subject: Subject, surroundings: Surroundings): Promise<Running> {
  if (subject === 'nginx') {
    const port = await freePort()
    const upstream = `upstream tenant { server ${surroundings.tenant.slice('http://'.length)}; keepalive 256; }`
    const location = `location /qlik/ { proxy_pass http://tenant/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Cookie ""; }`
    return { subject, port, process: await startNginx('proxy', port, upstream, location, 0) }
  }
  const file = fileURLToPath(new URL('./subject.ts', import.meta.url))
  const profile = process.argv.includes('--cpu-prof') ? ['--cpu-prof', `--cpu-prof-dir=${join(tmpdir(), 'qlik-bench-profiles')}`] : []
  const child = start(
    process.execPath,
    ['--import', 'tsx', ...profile, file, subject, JSON.stringify(surroundings)],
    0,
  )
  const [line] = await once(child.stdout ?? child, 'data')
  return { subject, process: child, port: JSON.parse(String(line)).port }
}

/** Static answers, so that the tenant costs the same whoever asks. */
async function startTenant(): Promise<string> {
  const port = await freePort()
  const tenant = `http://127.0.0.1:${port}`
  const files = join(directory, 'api', 'v1')
  await mkdir(files, { recursive: true })
  const filled = (links: unknown): string => {
    const data = (text: string): string => JSON.stringify({ data: [{ id: '1', name: text }], links })
    return data('x'.repeat(2048 - data('').length))
  }
  await writeFile(join(files, 'items'), filled({ next: { href: null } }))
  await writeFile(join(files, 'linked'), filled({ next: { href: `${tenant}/api/v1/items?page=2` } }))
  await writeFile(join(files, 'export'), Buffer.alloc(10 * 1024 * 1024, 'x'))
  const json = `root ${directory}; default_type application/json; location = /api/v1/export { default_type application/octet-stream; }`
  await startNginx('tenant', port, '', json, 1)
  return tenant
}

async function startNginx(name: string, port: number, outside: string, inside: string, cpu: number): Promise<ChildProcess> {
  const file = join(directory, `${name}.conf`)
  await writeFile(
    file,
    `daemon off; worker_processes 1; user root; pid ${directory}/${name}.pid; error_log ${directory}/${name}.log;
     events { worker_connections 1024; }
     http { access_log off; keepalive_requests 1000000; sendfile on; tcp_nodelay on; ${outside} server { listen 127.0.0.1:${port}; ${inside} } }`,
  )
  const child = start('nginx', ['-c', file, '-p', directory], cpu)
  await answering(port)
  return child
}

/** The same login for every subject, stored as that subject would have stored it. */
async function plantLogins(redisPort: number, tenant: string): Promise<void> {
  await answering(redisPort)
  const redis = new Redis({ port: redisPort, host: '127.0.0.1' })
  const store = redisLoginStore(redis, { keys: [tokenKey] })
  const now = Date.now()
  await store.createLogin(
    loginKey(sessionId),
    {
      tenant,
      clientId: clientOptions.clientId,
      user: { id: userId, name: 'Bench' },
      tokens: { accessToken, refreshToken, scope: 'user_default offline_access', issuedAt: now, expiresAt: now + 6 * 3600 * 1000 },
      createdAt: now,
      refreshedAt: now,
      endsAt: now + 12 * 3600 * 1000,
    },
    1800,
  )
  await redis.set(
    `sess:${sessionId}`,
    JSON.stringify({ cookie: { originalMaxAge: null, path: '/' }, userId, accessToken, refreshToken }),
    'EX',
    3600,
  )
  const at = Math.floor(now / 1000)
  const idToken = `${encoded({ alg: 'RS256' })}.${encoded({ iss: tenant, sub: userId, aud: 'bench', exp: at + 3600, iat: at })}.sig`
  const data = { id_token: idToken, access_token: accessToken, refresh_token: refreshToken, token_type: 'Bearer', expires_at: at + 21_600 }
  const openIdSession = { header: { iat: at, uat: at, exp: at + 3600 }, data, cookie: { expires: (at + 3600) * 1000, maxAge: 3_600_000 } }
  await redis.set(`openid:${openIdSessionId}`, JSON.stringify(openIdSession), 'EX', 3600)
  await store.close()
  redis.disconnect()
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function start(command: string, parameters: readonly string[], cpu: number): ChildProcess {
  const child = spawn('taskset', ['-c', String(cpu), command, ...parameters], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  if (command !== process.execPath) child.stdout?.resume()
  children.push(child)
  return child
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

async function answering(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const connected = await new Promise<boolean>(done => socket.on('connect', () => done(true)).on('error', () => done(false)))
    socket.destroy()
    if (connected) return
  }
}

function option(name: string): string {
  return process.argv.find(argument => argument.startsWith(`--${name}=`))?.slice(name.length + 3) ?? ''
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
