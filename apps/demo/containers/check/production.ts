import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Browser } from 'playwright-core'
import { until } from 'test-support/until'
import { type Compose, compose, docker } from './compose.ts'
import { checkHardening } from './development.ts'
import { startLoad } from './load.ts'
import { expectThat, type Promises } from './promises.ts'
import {
  expectLiveCharts,
  isLoggedIn,
  logIn,
  logInAndSeeCharts,
  markPage,
  openDashboard,
  untilStatus,
} from './visitor.ts'

const run = promisify(execFile)
const httpsPort = 8453
const httpPort = 8090
const origin = `https://localhost:${httpsPort}`
export const productionFiles = ['compose.production.yml', 'apps/demo/containers/compose.simulator.yml']

/** compose.production.yml, with the simulated tenant instead of a real one. */
export async function checkProduction(browser: Browser, promises: Promises): Promise<void> {
  const secrets = await makeSecrets()
  const variables = productionVariables(secrets)
  const project = compose('qlik-oauth-check-production', productionFiles, variables)
  try {
    await checkMandatory(variables, promises)
    await promises.hold('`up --wait --scale demo=3` starts everything', async () => {
      await project('up', '--detach', '--build', '--wait', '--scale', 'demo=3')
      await logInAndSeeCharts(browser, origin, 10_000)
      return undefined
    })
    await checkBalancer(browser, promises)
    await checkHardening(project, promises, ['demo', 'simulator'])
    await checkSecrets(project, secrets, promises)
    await promises.hold('a login survives stopping two of three demos, without sticky sessions', async () => {
      const visitor = await logIn(browser, origin)
      await openDashboard(visitor.page, origin)
      await markPage(visitor.page)
      const [first = '', second = ''] = await project.containers('demo')
      await docker(['stop', first, second])
      expectThat(await isLoggedIn(visitor, origin), 'the login was lost')
      await expectLiveCharts(visitor.page)
      await visitor.context.close()
      await project('up', '--detach', '--wait', '--no-recreate', '--scale', 'demo=3')
      return undefined
    })
    await promises.hold('a rolling update under load: no failed request, no lost login, no dead chart', async () => {
      return await rollUnderLoad(browser, project, variables)
    })
    await promises.hold(
      'a roll to an image that does not start: the old demos stay, and no new one is left',
      async () => {
        const before = await project.containers('demo')
        const broken = join(secrets, 'broken.yml')
        await writeFile(broken, 'services: { demo: { command: [node, --eval, process.exit(1)] } }\n')
        const refused = await roll(variables, [...productionFiles, broken]).then(
          () => false,
          () => true,
        )
        expectThat(refused, 'the roll reports success')
        const after = (await project('ps', '--all', '--quiet', 'demo')).split('\n')
        expectThat(after.toSorted().join() === before.toSorted().join(), `${after.length} demos are left`)
        return undefined
      },
    )
    await promises.hold('Redis restarts: logins and login attempts survive', async () => {
      const visitor = await logIn(browser, origin)
      await project('restart', 'redis')
      await until(() => isLoggedIn(visitor, origin).catch(() => false), 10_000)
      await visitor.context.close()
      return undefined
    })
    await promises.hold(
      'while Redis is away: public pages, 503 elsewhere, and everything again afterwards',
      async () => {
        const visitor = await logIn(browser, origin)
        await project('pause', 'redis')
        try {
          await untilStatus(visitor, `${origin}/account`, 503, 10_000)
          await untilStatus(visitor, `${origin}/`, 200, 10_000)
        } finally {
          await project('unpause', 'redis')
        }
        await untilStatus(visitor, `${origin}/account`, 200, 10_000)
        await visitor.context.close()
        return undefined
      },
    )
  } finally {
    await project('down', '--volumes', '--remove-orphans')
    await rm(secrets, { recursive: true })
  }
}

export function productionVariables(secrets: string): Record<string, string> {
  return {
    PUBLIC_URL: origin,
    HTTP_PORT: String(httpPort),
    HTTPS_PORT: String(httpsPort),
    SECRETS: secrets,
    QLIK_TENANT_URL: 'http://tenant.localhost:4000',
    QLIK_CLIENT_ID: 'demo-web',
    LOGIN_RATE_LIMIT: '0',
    DEMO_IMAGE: 'qlik-oauth-check-demo:production',
    REDIS_URL: '',
  }
}

/** A folder with the secrets that docs/containers.md asks for, and a certificate for localhost. */
export async function makeSecrets(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'qlik-oauth-secrets-'))
  const secrets = {
    'session-secret': randomBytes(32).toString('base64'),
    'token-keys': randomBytes(32).toString('base64'),
    'client-secret': 'demo-web-secret',
    'redis-password': randomBytes(24).toString('hex'),
  }
  for (const [name, secret] of Object.entries(secrets)) await writeFile(join(folder, name), `${secret}\n`)
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost'
  await run('openssl', [
    ...request.split(' '),
    '-addext',
    'subjectAltName=DNS:localhost',
    '-keyout',
    key,
    '-out',
    certificate,
  ])
  await writeFile(join(folder, 'tls.pem'), readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'))
  // Containers read them as another user; the folder keeps other users of this machine out.
  for (const name of [...Object.keys(secrets), 'tls.pem']) await chmod(join(folder, name), 0o644)
  return folder
}

async function checkMandatory(variables: Record<string, string>, promises: Promises): Promise<void> {
  for (const name of ['PUBLIC_URL', 'QLIK_TENANT_URL', 'QLIK_CLIENT_ID']) {
    await promises.hold(`without ${name} nothing starts, and the message says what to set`, async () => {
      const project = compose('qlik-oauth-check-missing', productionFiles.slice(0, 1), { ...variables, [name]: '' })
      const message = await project('config').then(
        () => '',
        error => String(error),
      )
      expectThat(message.includes(`Set ${name} to`), `the message is ${JSON.stringify(message)}`)
      return undefined
    })
  }
}

async function checkBalancer(browser: Browser, promises: Promises): Promise<void> {
  await promises.hold('browsers get HTTP/2, http leads to https, and probes are not public', async () => {
    const { context, page } = await logIn(browser, origin)
    const protocol = await page.evaluate(() => {
      const [entry] = performance.getEntriesByType('navigation')
      return entry !== undefined && 'nextHopProtocol' in entry ? entry.nextHopProtocol : 'unknown'
    })
    expectThat(protocol === 'h2', `the protocol is ${protocol}`)
    const redirect = await context.request.get(`http://localhost:${httpPort}/apps?page=2`, { maxRedirects: 0 })
    expectThat(redirect.headers().location === `${origin}/apps?page=2`, `http responds ${redirect.status()}`)
    for (const path of ['/readyz', '/healthz', '/metrics', '/METRICS', '/readyz/', '/path/metrics']) {
      const status = (await context.request.get(origin + path)).status()
      expectThat(status === 404, `${path} responds ${status}`)
    }
    const cookies = await context.cookies(origin)
    expectThat(
      cookies.some(({ name, secure }) => name === '__Host-sid' && secure),
      `cookies: ${cookies.map(({ name }) => name)}`,
    )
    await context.close()
    return undefined
  })
}

/** No secret in the configuration, environment or processes of a container, nor in the logs. */
async function checkSecrets(project: Compose, folder: string, promises: Promises): Promise<void> {
  await promises.hold('secrets are in files alone: not in environments, process lists or logs', async () => {
    const names = ['session-secret', 'token-keys', 'redis-password']
    const values = names.map(name => readFileSync(join(folder, name), 'utf8').trim())
    const ids = (await Promise.all(['demo', 'redis', 'balancer'].map(service => project.containers(service)))).flat()
    const shown = await Promise.all([
      docker(['inspect', ...ids]),
      project('logs', '--no-color'),
      ...ids.map(id =>
        docker(['exec', id, 'sh', '-c', 'cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; true']),
      ),
    ])
    const leaked = names.filter((_name, index) => shown.some(text => text.includes(values[index] ?? '')))
    expectThat(leaked.length === 0, `found: ${leaked}`)
    return undefined
  })
}

async function rollUnderLoad(browser: Browser, project: Compose, variables: Record<string, string>): Promise<string> {
  const { context, page } = await logIn(browser, origin)
  await openDashboard(page, origin)
  await markPage(page)
  const before = await project.containers('demo')
  const load = await startLoad(browser, origin)
  try {
    await until(() => load.completed() > 50)
    await roll(variables, productionFiles)
    const completed = load.completed()
    await until(() => load.completed() > completed + 50)
  } finally {
    await load.stop()
  }
  const failures = load.failures()
  const after = await project.containers('demo')
  expectThat(after.length === 3 && !after.some(id => before.includes(id)), 'not every demo is a new one')
  const [first = '', second = ''] = failures
  expectThat(failures.length === 0, `${failures.length} of ${load.completed()} failed: ${first}; ${second}`)
  await expectLiveCharts(page)
  await context.close()
  return `${load.completed()} requests`
}

async function roll(variables: Record<string, string>, files: readonly string[]): Promise<void> {
  const options = ['--project-name', 'qlik-oauth-check-production', ...files.flatMap(file => ['-f', file])]
  await run('apps/demo/containers/roll', options, { env: { ...process.env, ...variables } })
}
