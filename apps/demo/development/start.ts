import { once } from 'node:events'
import { createServer } from 'node:net'
import { createTenant } from 'qlik-tenant-simulator'
import { type Environment, readEnvironment } from '../src/environment.ts'
import { type Preparation, run } from '../src/run.ts'
import { buildEmbedRuntime } from './embed-runtime.ts'
import { type PrivateRedis, privateRedis } from './private-redis.ts'

const simulatorPort = 4000

/**
 * `pnpm demo`: the application, and beside it whatever the environment does not name: a simulated tenant and a private
 * Redis.
 */
await run(async () => {
  const given = process.env
  const simulates = (given.QLIK_TENANT_URL ?? '') === ''
  // A wrong variable is found before anything is started.
  const { publicUrl } = readEnvironment({
    ...given,
    QLIK_TENANT_URL: given.QLIK_TENANT_URL || `http://localhost:${simulatorPort}`,
  })

  if (simulates) await buildEmbedRuntime()
  const redis = (given.REDIS_URL ?? '') === '' ? await privateRedis() : undefined
  const tenant = simulates ? await simulatedTenant(publicUrl, given) : undefined
  return {
    variables: { ...given, ...(tenant && { QLIK_TENANT_URL: tenant.origin }), ...(redis && { REDIS_URL: redis.url }) },
    started(environment, stop) {
      process.stdout.write(greeting(environment, redis))
      void redis?.lost.then(() => {
        process.stderr.write('The private redis-server has ended, and so does the demo.\n')
        return stop(1)
      })
    },
    async close() {
      await tenant?.close()
      await redis?.close()
    },
  } satisfies Preparation
})

async function simulatedTenant(publicUrl: string, { QLIK_CLIENT_ID, QLIK_CLIENT_SECRET }: NodeJS.ProcessEnv) {
  const web = { clientId: QLIK_CLIENT_ID || 'demo-web', clientSecret: QLIK_CLIENT_SECRET || 'demo-web-secret' }
  return createTenant({
    port: (await isFree(simulatorPort)) ? simulatorPort : 0,
    clients: [
      { ...web, clientName: 'Demo web application', appType: 'web', redirectUris: [`${publicUrl}/auth/callback`] },
      {
        clientId: 'demo-spa',
        clientName: 'Demo single-page application',
        appType: 'spa',
        redirectUris: [`${publicUrl}/spa/callback`],
        allowedOrigins: [publicUrl],
        allowedScopes: ['user_default'],
      },
    ],
  })
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer()
  try {
    await once(probe.listen(port, '127.0.0.1'), 'listening')
    return true
  } catch {
    return false
  } finally {
    probe.close()
  }
}

function greeting({ publicUrl, redisUrl, simulated, tenant }: Environment, redis: PrivateRedis | undefined): string {
  const store =
    redis === undefined
      ? redisUrl === undefined
        ? 'memory: no redis-server on the PATH'
        : 'REDIS_URL'
      : 'a private redis-server, stopped with the demo'
  const lines = [
    ['Open', publicUrl],
    [
      'Log in as',
      simulated ? 'Ada (sees every app), Ben (some) or Cleo (none yet); no password' : 'yourself, at your tenant',
    ],
    ['Tenant', simulated ? `${tenant}, simulated` : tenant],
    ['Logins in', store],
    ['Stop', 'Ctrl-C'],
  ]
  return `\n${lines.map(([name = '', value]) => `  ${name.padEnd(11)}${value}`).join('\n')}\n\n`
}
