import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { quick } from '../support/arguments.ts'
import { directory, type Running, startRedis, startSubject } from '../support/children.ts'
import { startTenant } from '../support/nginx.ts'
import { loginRecord, planter } from '../support/planted-logins.ts'
import { residentMegabytes } from '../support/process-cost.ts'
import { inTurn } from '../support/rounds.ts'
import { type Subject, signedCookie } from '../support/setting.ts'
import { median, spread } from '../support/statistics.ts'
import { printTable } from '../support/table.ts'
import { type Load, sample } from '../support/wrk.ts'

const sizes = [10, 10_000, 100_000]
const subjects: readonly Subject[] = ['ahead of Express', 'ahead of Express, cached']
const [rounds, seconds] = quick ? [3, 2] : [5, 3]

/** A proxy with its own Redis that holds `size` logins. */
interface Stored extends Running {
  readonly size: number
  readonly subject: Subject
  readonly bytesPerLogin: number
  readonly load: Load
}

/** Measures what a request costs when it may come from any of many logins. */
export async function storedLogins(): Promise<void> {
  const { origin: tenant } = await startTenant()
  const running: Stored[] = []
  for (const size of sizes) {
    const redisPort = await startRedis()
    const sessions = Array.from({ length: size }, (_, number) => `stored-session-${String(number).padStart(17, '0')}`)
    const bytesPerLogin = await store(sessions, redisPort, tenant)
    const cookie = { script: await cookieScript(sessions) }
    const load: Load = { path: '/api/v1/items', connections: 32, seconds, cookie }
    for (const subject of subjects) {
      const started = await startSubject('rest-proxy.ts', [subject, JSON.stringify({ redisPort, tenant })], '0')
      running.push({ ...started, size, subject, bytesPerLogin, load })
    }
  }

  // Long enough for a request from every login of the smaller two.
  for (const one of running) await sample(one, { ...one.load, seconds: 2 })
  const samples = await inTurn(running, rounds, one => sample(one, one.load))
  const rows = running.map(async one => {
    const taken = samples.get(one) ?? []
    return [
      one.size.toLocaleString('en'),
      one.subject,
      spread(taken.map(({ microseconds }) => microseconds)),
      median(taken.map(({ perSecond }) => perSecond)).toFixed(0),
      (await residentMegabytes(one.process)).toFixed(0),
      // With few logins the fixed cost of Redis would dominate.
      one.size < 1000 ? '' : (one.bytesPerLogin / 1024).toFixed(1),
    ]
  })
  printTable(
    `Requests of random logins: 2 KB JSON, 32 connections, ${rounds} rounds of ${seconds} s`,
    ['logins', '', 'CPU us/request, median (least-most)', 'requests/s', 'RSS MB', 'KB in Redis per login'],
    await Promise.all(rows),
  )
}

/** Stores a login of its own user for each session. @returns Bytes per login in Redis. */
async function store(sessions: readonly string[], redisPort: number, tenant: string): Promise<number> {
  const redis = new Redis({ port: redisPort, host: '127.0.0.1' })
  const logins = planter(redisPort)
  const before = await usedMemory(redis)
  for (let from = 0; from < sessions.length; from += 500) {
    const some = sessions.slice(from, from + 500)
    await Promise.all(
      some.map(session =>
        logins.plant(session, loginRecord(tenant, { refreshToken: longRefreshToken }, `user-${session}`)),
      ),
    )
  }
  const after = await usedMemory(redis)
  await logins.close()
  redis.disconnect()
  return (after - before) / sessions.length
}

/** 3 KB together with the access token. */
const longRefreshToken = 'r'.repeat(1900)

async function usedMemory(redis: Redis): Promise<number> {
  return Number(/used_memory_dataset:(\d+)/.exec(await redis.info('memory'))?.[1])
}

/** wrk sends the cookie of a random login with each request. */
async function cookieScript(sessions: readonly string[]): Promise<string> {
  const cookies = join(directory, `cookies-${sessions.length}`)
  await writeFile(cookies, sessions.map(session => `__Host-sid=${signedCookie(session)}\n`).join(''))
  const script = `${cookies}.lua`
  await writeFile(
    script,
    `local cookies, before, after = {}, nil, nil
     function init(args)
       for line in io.lines(${JSON.stringify(cookies)}) do cookies[#cookies + 1] = line end
       wrk.headers["cookie"] = "@"
       local text = wrk.format()
       local at = text:find("cookie: @", 1, true) + 7
       before, after = text:sub(1, at), text:sub(at + 2)
       math.randomseed(os.time())
     end
     function request() return before .. cookies[math.random(#cookies)] .. after end`,
  )
  return script
}
