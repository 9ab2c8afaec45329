import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { quick } from '../support/arguments.ts'
import { type Running, startRedis, startSubject, stop } from '../support/children.ts'
import { startTenant } from '../support/nginx.ts'
import { loginRecord, planter } from '../support/planted-logins.ts'
import { cpuMicroseconds } from '../support/process-cost.ts'
import { redisRelay, type SentCommands } from '../support/redis-relay.ts'
import { inTurn } from '../support/rounds.ts'
import { type ApplicationName, landing, signedCookie } from '../support/setting.ts'
import { spread } from '../support/statistics.ts'
import { printTable } from '../support/table.ts'
import { visitor } from '../support/visitor.ts'

const repetitions = quick ? 5 : 15
const [rounds, loginsEach] = quick ? [3, 150] : [5, 300]

/** Measures what a login and the requests after it cost: round trips to Redis, and CPU of the application. */
export async function loginCost(): Promise<void> {
  const redisPort = await startRedis()
  const endpoint = await startSubject('token-endpoint.ts', [], '1')
  const { origin: tenant } = await startTenant(endpoint.port)
  await countRoundTrips(redisPort, tenant)
  await measureCpu(redisPort, tenant)
}

async function countRoundTrips(redisPort: number, tenant: string): Promise<void> {
  const relay = await redisRelay(redisPort)
  const logins = planter(redisPort)
  const applications: ChildProcess[] = []
  const started = async (name: ApplicationName): Promise<number> => {
    const { process, port } = await startSubject(
      'application.ts',
      [name, JSON.stringify({ redisPort: relay.port, tenant })],
      '0',
    )
    applications.push(process)
    return port
  }
  const sent = new Map<string, SentCommands[]>()
  async function step(name: string, operation: () => Promise<unknown>): Promise<void> {
    sent.set(name, [...(sent.get(name) ?? []), await relay.during(operation)])
  }

  const own = await started('this project')
  // Keeps one socket open: the subscription that all sockets share must exist before the measurement.
  const first = visitor('this project', own)
  await first.logIn()
  const held = await first.openSocket()
  for (let time = 0; time <= repetitions; time += 1) {
    const person = visitor('this project', own)
    let callback = ''
    await step('guarded page, not logged in', () => person.visit(landing, 302))
    await step('`GET /auth/login`', async () => {
      callback = await person.authorize(await person.beginLogin())
    })
    await step('`GET /auth/callback`', () => person.finishLogin(callback))
    await step('landing on a guarded page', () => person.visit(landing))
    await step('guarded page again', () => person.visit(landing))
    await step('proxied request', () => person.visit(proxied))
    await step('upgrade to a WebSocket', async () => (await person.openSocket()).terminate())
    await step('`POST /auth/logout`', () => person.logOut())

    const session = randomBytes(24).toString('base64url')
    const tokens = { refreshToken: `${session}.1.`.padEnd(600, 'r'), expiresAt: Date.now() - 1000 }
    await logins.plant(session, loginRecord(tenant, tokens))
    const returning = visitor('this project', own, `__Host-sid=${signedCookie(session)}`)
    await step('proxied request that refreshes the token', () => returning.visit(proxied))
  }
  held.terminate()

  const cached = await started('this project, cached')
  const keeper = visitor('this project, cached', cached)
  await keeper.logIn()
  while ((await relay.during(() => keeper.visit(proxied))).roundTrips.length > 0);
  for (let time = 0; time <= repetitions; time += 1) {
    await keeper.visit(proxied)
    await step('guarded page, cached', () => keeper.visit(landing))
    await step('proxied request, cached', () => keeper.visit(proxied))
  }

  const other = await started('express-openid-connect')
  await visitor('express-openid-connect', other).logIn()
  for (let time = 0; time <= repetitions; time += 1) {
    const person = visitor('express-openid-connect', other)
    let callback = ''
    await step('express-openid-connect: `GET /login`', async () => {
      callback = await person.authorize(await person.beginLogin())
    })
    await step('express-openid-connect: `GET /callback`', () => person.finishLogin(callback))
    await step('express-openid-connect: landing on a guarded page', () => person.visit(landing))
    await step('express-openid-connect: guarded page again', () => person.visit(landing))
    await step('express-openid-connect: `GET /logout`', () => person.logOut())
  }

  // The first time loads the scripts into Redis.
  const measured = [...sent].map(([name, list]) => [name, list.slice(1)] as const)
  printTable(
    `Redis commands, ${repetitions} times each`,
    ['', 'commands', 'round trips', 'which: + at once, > one after another'],
    measured.map(([name, list]) => [
      name,
      counts(list, ({ commands }) => commands.length),
      counts(list, trips),
      mostFrequent(list.map(text)),
    ]),
  )
  await logins.close()
  await stop(applications)
  relay.close()
}

const proxied = '/qlik/api/v1/items'

function trips({ roundTrips }: SentCommands): number {
  return roundTrips.length
}

/** The number, or minimum and maximum when it varies. */
function counts(list: readonly SentCommands[], count: (sent: SentCommands) => number): string {
  const numbers = list.map(count)
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)]
  return least === most ? String(least) : `${least}-${most}`
}

function text({ roundTrips }: SentCommands): string {
  return roundTrips.map(commands => commands.map(({ name, about }) => `${name} ${about}`).join(' + ')).join(' > ')
}

function mostFrequent(texts: readonly string[]): string {
  const times = (one: string): number => texts.filter(each => each === one).length
  return [...texts].sort((a, b) => times(b) - times(a))[0] ?? ''
}

async function measureCpu(redisPort: number, tenant: string): Promise<void> {
  const names: readonly ApplicationName[] = ['this project', 'express-openid-connect']
  const surroundings = JSON.stringify({ redisPort, tenant })
  const running = await Promise.all(
    names.map(async name => ({ name, ...(await startSubject('application.ts', [name, surroundings], '0')) })),
  )
  for (const one of running) await logInAndOut(one)
  const samples = await inTurn(running, rounds, logInAndOut)
  printTable(
    `CPU of a login, ${rounds} rounds of ${loginsEach} one after another`,
    ['', 'us per login', 'us per logout'],
    running.map(one => {
      const taken = samples.get(one) ?? []
      return [one.name, spread(taken.map(({ login }) => login)), spread(taken.map(({ logout }) => logout))]
    }),
  )
}

/** CPU time per login, with the page it returns to, and per logout. */
async function logInAndOut(
  one: Running & { readonly name: ApplicationName },
): Promise<{ login: number; logout: number }> {
  const people = Array.from({ length: loginsEach }, () => visitor(one.name, one.port))
  const before = await cpuMicroseconds(one.process)
  for (const person of people) await person.logIn()
  const between = await cpuMicroseconds(one.process)
  for (const person of people) await person.logOut()
  const after = await cpuMicroseconds(one.process)
  return { login: (between - before) / loginsEach, logout: (after - between) / loginsEach }
}
