import { execFile } from 'node:child_process'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Browser } from 'playwright-core'
import { until } from 'test-support/until'
import { type Compose, compose, docker } from './compose.ts'
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

const port = 3456
const origin = `http://localhost:${port}`
const recoveryMs = 10_000

/** docker-compose.yml: with the simulated tenant, at a port from `.env`. */
export async function checkDevelopment(browser: Browser, promises: Promises): Promise<void> {
  const variables = { PORT: String(port), QLIK_TENANT_URL: '', REDIS_URL: '', PUBLIC_URL: '' }
  const project = compose('qlik-oauth-check', ['docker-compose.yml'], variables)
  try {
    await promises.hold('builds', async () => void (await project('build')))
    await promises.hold('`up --wait` starts everything', async () => void (await project('up', '--detach', '--wait')))
    await promises.hold('a user logs in and sees charts', async () => {
      await logInAndSeeCharts(browser, origin, recoveryMs)
      return undefined
    })
    await checkHardening(project, promises, ['demo', 'simulator'])
    await checkRestarts(browser, project, promises)
    await checkRedisCut(browser, project, promises)
    await checkRebuilds(project, promises)
    await checkIdleCost(project, promises)
    await promises.hold('with a tenant of your own, a taken port 4000 does not matter', async () => {
      const own = compose('qlik-oauth-check-own', ['docker-compose.yml'], {
        PORT: String(port + 1),
        QLIK_TENANT_URL: 'https://tenant.invalid',
        QLIK_CLIENT_ID: 'id',
        QLIK_CLIENT_SECRET: 'secret',
      })
      try {
        await own('up', '--detach', '--wait')
        const response = await fetch(`http://localhost:${port + 1}/readyz`)
        expectThat(response.ok, `/readyz responded with ${response.status}`)
      } finally {
        await own('down', '--volumes')
      }
      return undefined
    })
  } finally {
    await project('down', '--volumes', '--remove-orphans')
  }
  await promises.hold('`down --volumes` leaves no volume', async () => {
    const left = await docker([
      'volume',
      'ls',
      '--quiet',
      '--filter',
      'label=com.docker.compose.project=qlik-oauth-check',
    ])
    expectThat(left === '', `left: ${left}`)
    return undefined
  })
}

/** Code that the process cannot change, nothing else writable, no capability. */
export async function checkHardening(project: Compose, promises: Promises, services: readonly string[]): Promise<void> {
  for (const service of services) {
    await promises.hold(`${service} runs without root, capabilities or a writable file system`, async () => {
      const script =
        'id -u; grep CapEff /proc/self/status; for path in /app /usr /etc /; do ! touch $path/x 2>/dev/null || echo writable $path; done; ls -ld /app/packages'
      const seen = await project('exec', '--no-TTY', service, 'sh', '-c', script)
      const [user, capabilities] = seen.split('\n')
      expectThat(user === '1000', `user ${user}`)
      expectThat(/CapEff:\s+0+$/.test(capabilities ?? ''), `capabilities ${capabilities}`)
      expectThat(!seen.includes('writable'), seen)
      expectThat(/root root/.test(seen.split('\n').at(-1) ?? ''), `owner: ${seen.split('\n').at(-1)}`)
      return undefined
    })
  }
}

async function checkRestarts(browser: Browser, project: Compose, promises: Promises): Promise<void> {
  const restarts: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['restart demo', () => project('restart', 'demo')],
    ['restart redis', () => project('restart', 'redis')],
    ['restart simulator', () => project('restart', 'simulator')],
    ['restart', () => project('restart')],
    ['a demo that was killed', () => kill(project, 'demo')],
    ['a simulator that was killed', () => kill(project, 'simulator')],
    ['a Redis that was killed', () => kill(project, 'redis')],
    ['down, then up', async () => [await project('down'), await project('up', '--detach', '--wait')]],
  ]
  for (const [name, restart] of restarts) {
    await promises.hold(`after ${name}: the login lives, and another with charts works within 10 s`, async () => {
      const visitor = await logIn(browser, origin)
      await restart()
      const start = performance.now()
      await untilStatus(visitor, `${origin}/readyz`, 200, recoveryMs)
      await until(() => isLoggedIn(visitor, origin).catch(() => false), recoveryMs)
      await logInAndSeeCharts(browser, origin, recoveryMs)
      await visitor.context.close()
      return `${((performance.now() - start) / 1000).toFixed(1)} s after it`
    })
  }
  await promises.hold('a dashboard that is open while the demo restarts goes on without a reload', async () => {
    const { context, page } = await logIn(browser, origin)
    await openDashboard(page, origin)
    await markPage(page)
    await project('restart', 'demo')
    await expectLiveCharts(page)
    await context.close()
    return undefined
  })

  const { RESTART_ENGINE: command } = process.env
  const promise = 'after a restart of the engine: login and charts work within 10 s'
  if (command === undefined) return promises.skip(promise, 'RESTART_ENGINE is not set')
  await promises.hold(promise, async () => {
    await promisify(execFile)('sh', ['-c', command])
    await logInAndSeeCharts(browser, origin, recoveryMs)
    return undefined
  })
}

/** Ends the process in a container, as a crash does: `docker kill` would count as stopped by hand. */
async function kill(project: Compose, service: string): Promise<void> {
  const [id = ''] = await project.containers(service)
  const restarts = () => docker(['inspect', '--format', '{{.RestartCount}}', id])
  const before = await restarts()
  await docker(['exec', id, 'sh', '-c', 'kill -9 -1']).catch(() => {})
  await until(async () => (await restarts()) !== before, recoveryMs)
}

async function checkRedisCut(browser: Browser, project: Compose, promises: Promises): Promise<void> {
  await promises.hold('while Redis hangs: 503 for logins, public pages, and everything again afterwards', async () => {
    const visitor = await logIn(browser, origin)
    await project('pause', 'redis')
    try {
      await untilStatus(visitor, `${origin}/readyz`, 503, recoveryMs)
      await untilStatus(visitor, `${origin}/account`, 503, recoveryMs)
      await untilStatus(visitor, `${origin}/`, 200, recoveryMs)
    } finally {
      await project('unpause', 'redis')
    }
    await untilStatus(visitor, `${origin}/account`, 200, recoveryMs)
    await visitor.context.close()
    return undefined
  })
}

async function checkRebuilds(project: Compose, promises: Promises): Promise<void> {
  const layers = async () =>
    docker(['image', 'inspect', '--format', '{{json .RootFS.Layers}}', 'qlik-oauth-check-demo'])
  await promises.hold('a change to README.md rebuilds nothing', async () => {
    const before = await layers()
    await withChange('README.md', '\n', () => project('build'))
    expectThat((await layers()) === before, 'the image changed')
    return undefined
  })
  await promises.hold('a change to a source compiles, and installs nothing', async () => {
    const start = performance.now()
    await withChange('apps/demo/src/start.ts', '\nexport const changed = true\n', () => project('build', 'demo'))
    const seconds = (performance.now() - start) / 1000
    expectThat(seconds < 30, `took ${seconds.toFixed(0)} s`)
    return undefined
  })
}

async function withChange(path: string, text: string, step: () => Promise<unknown>): Promise<void> {
  const before = await readFile(path)
  await appendFile(path, text)
  try {
    await step()
  } finally {
    await writeFile(path, before)
  }
}

async function checkIdleCost(project: Compose, promises: Promises): Promise<void> {
  await promises.hold('an idle demo with its health checks costs less than two per cent of a core', async () => {
    const [id = ''] = await project.containers('demo')
    const before = await cpuSeconds(id)
    await delay(measuredMs)
    const share = (((await cpuSeconds(id)) - before) / (measuredMs / 1000)) * 100
    expectThat(share < 2, `${share.toFixed(2)} %`)
    return `${share.toFixed(2)} %`
  })
}

const measuredMs = 30_000

/** CPU time of a container and of its health checks, by the kernel's count. */
async function cpuSeconds(id: string): Promise<number> {
  const script =
    'if [ -f /sys/fs/cgroup/cpu.stat ]; then sed -n "s/usage_usec //p" /sys/fs/cgroup/cpu.stat; else echo $(($(cat /sys/fs/cgroup/cpuacct/cpuacct.usage) / 1000)); fi'
  return Number(await docker(['exec', id, 'sh', '-c', script])) / 1_000_000
}
