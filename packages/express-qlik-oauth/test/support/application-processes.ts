import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { SimulatedTenant } from 'qlik-tenant-simulator'
import type { QlikAuthOptions, QlikEventName, QlikEvents } from '../../src/index.ts'

/** The options that JSON can carry, and the URL of Redis. */
export interface ProcessSettings
  extends Pick<
    QlikAuthOptions,
    | 'tenant'
    | 'clientId'
    | 'clientSecret'
    | 'publicUrl'
    | 'idleSeconds'
    | 'absoluteSeconds'
    | 'cacheSeconds'
    | 'loginRateLimit'
  > {
  readonly redisUrl: string
  readonly keys: readonly string[]
  readonly sessionSecret: string
  /** A name in `redisPairs`. @default 'ioredis 5, connect-redis 8.1' */
  readonly pair?: string
}

export interface ApplicationProcess {
  readonly origin: string
  named<Name extends QlikEventName | 'store'>(name: Name): (Name extends QlikEventName ? QlikEvents[Name] : unknown)[]
  /** Everything it has written to standard output and standard error. */
  output(): string
  /** Ends it, and waits until it has. */
  stop(): Promise<void>
}

/** Origin at which browsers see the application: an imagined balancer in front of the processes. */
export const publicUrl = 'http://localhost'

/** Settings for the processes of one application; registers its client at the tenant. */
export function settingsFor(
  tenant: SimulatedTenant,
  redisUrl: string,
  keys: readonly string[],
  origin = publicUrl,
): ProcessSettings {
  const clientSecret = 'secret-of-the-test-application'
  const { clientId } = tenant.registerClient({
    clientId: 'processes',
    clientSecret,
    appType: 'web',
    redirectUris: [`${origin}/auth/callback`],
  })
  const options = { tenant: tenant.origin, clientId, clientSecret, publicUrl: origin, loginRateLimit: 0 }
  return { ...options, redisUrl, keys, sessionSecret: 'a-session-secret-for-tests' }
}

export async function startApplicationProcess(
  settings: ProcessSettings,
  environment: Record<string, string> = {},
): Promise<ApplicationProcess> {
  const file = fileURLToPath(new URL('application-process.ts', import.meta.url))
  const child = spawn(process.execPath, ['--conditions=source', '--import', import.meta.resolve('tsx'), file], {
    env: { ...process.env, ...environment, SETTINGS: JSON.stringify(settings) },
    stdio: 'pipe',
  })
  const written: string[] = []
  child.stdout.on('data', chunk => written.push(String(chunk)))
  child.stderr.on('data', chunk => written.push(String(chunk)))
  const events: { name: string; event: never }[] = []
  const lines = createInterface({ input: child.stdout })
  const exited = once(child, 'exit')
  const first = await Promise.race([once(lines, 'line'), exited.then(() => [])])
  if (first.length === 0) throw new Error(`The application did not start: ${written.join('')}`)
  lines.on('line', line => events.push(JSON.parse(line)))

  return {
    origin: JSON.parse(first[0]).origin,
    named: name => events.filter(one => one.name === name).map(one => one.event),
    output: () => written.join(''),
    stop: () => ended(child, exited),
  }
}

async function ended(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  child.stdin?.end()
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
  await exited
  clearTimeout(timer)
}
