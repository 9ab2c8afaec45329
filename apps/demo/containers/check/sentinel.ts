import { rm } from 'node:fs/promises'
import type { Browser } from 'playwright-core'
import { until } from 'test-support/until'
import { type Compose, compose, docker } from './compose.ts'
import { makeSecrets, productionFiles, productionVariables } from './production.ts'
import { expectThat, type Promises } from './promises.ts'
import { isLoggedIn, logIn, logInAndSeeCharts } from './visitor.ts'

/** compose.sentinel.yml on top of production: the replica takes over, and the old master comes back as its replica. */
export async function checkSentinel(browser: Browser, promises: Promises): Promise<void> {
  const secrets = await makeSecrets()
  const variables = productionVariables(secrets)
  const [production = '', simulator = ''] = productionFiles
  const origin = String(variables.PUBLIC_URL)
  const files = [production, 'compose.sentinel.yml', simulator]
  const project = compose('qlik-oauth-check-sentinel', files, variables)
  try {
    await promises.hold('`up --wait` starts Redis, its replica, and three Sentinels', async () => {
      await project('up', '--detach', '--build', '--wait')
      await logInAndSeeCharts(browser, origin, 10_000)
      return undefined
    })
    await promises.hold('the master hangs: the login lives, and another works within 20 s', async () => {
      const visitor = await logIn(browser, origin)
      // Replication is asynchronous: what the master confirmed in its last moment may be lost.
      await project('exec', '--no-TTY', 'redis', 'sh', '-c', `${cli} wait 1 1000`)
      const start = performance.now()
      await project('pause', 'redis')
      try {
        await until(() => isLoggedIn(visitor, origin).catch(() => false), 20_000)
        await logInAndSeeCharts(browser, origin, 20_000 - (performance.now() - start))
      } finally {
        await project('unpause', 'redis')
      }
      await visitor.context.close()
      return undefined
    })
    await promises.hold('the old master comes back as a replica', async () => {
      await until(async () => (await roleOf(project, 'redis')) === 'slave', 30_000)
      expectThat((await roleOf(project, 'redis-replica')) === 'master', 'the replica is no master')
      return undefined
    })
    await promises.hold('everything restarts: the login lives', async () => {
      const visitor = await logIn(browser, origin)
      await project('restart')
      await until(() => isLoggedIn(visitor, origin).catch(() => false), 30_000)
      await logInAndSeeCharts(browser, origin, 10_000)
      await visitor.context.close()
      return undefined
    })
  } finally {
    await project('down', '--volumes', '--remove-orphans')
    await rm(secrets, { recursive: true })
  }
}

const cli = 'REDISCLI_AUTH="$(cat /run/secrets/redis-password)" redis-cli'

async function roleOf(project: Compose, service: string): Promise<string> {
  const [id = ''] = await project.containers(service)
  const info = await docker(['exec', id, 'sh', '-c', `${cli} info replication`])
  return /role:(\w+)/.exec(info)?.[1] ?? ''
}
