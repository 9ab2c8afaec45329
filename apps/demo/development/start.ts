import { once } from 'node:events'
import { createServer } from 'node:net'
import { createTenant } from 'qlik-tenant-simulator'
import { type Environment, readEnvironment } from '../src/environment.ts'
import { type Preparation, run } from '../src/run.ts'
import { buildEmbedRuntime } from './embed-runtime.ts'
import { type PrivateRedis, privateRedis } from './private-redis.ts'

const simulatorPort = 4000

/** `pnpm demo`: the application, with a simulated tenant and a private Redis where the environment names none. */
await run(async () => {
  const { env } = process
  const simulated = (env.QLIK_TENANT_URL ?? '') === ''
  // Report invalid variables before anything is started.
  const { publicUrl } = readEnvironment({
    ...env,
    QLIK_TENANT_URL: env.QLIK_TENANT_URL || `http://localhost:${simulatorPort}`,
  })

  if (simulated) await buildEmbedRuntime()
  const redis = (env.REDIS_URL ?? '') === '' ? await privateRedis() : undefined
  const tenant = simulated ? await simulatedTenant(publicUrl, env) : undefined
  return {
    variables: { ...env, ...(tenant && { QLIK_TENANT_URL: tenant.origin }), ...(redis && { REDIS_URL: redis.url }) },
    started(environment, stop) {
      process.stdout.write(greeting(environment, redis))
      void redis?.lost.then(() => {
        process.stderr.write('The private redis-server exited unexpectedly. Stopping.\n')
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
        allowedOrigins: [new URL(publicUrl).origin],
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
      : 'a private redis-server, which stops with the demo'
  const lines = [
    ['Open', publicUrl],
    [
      'Log in as',
      simulated ? 'Ada (sees all apps), Ben (some) or Cleo (none); no password' : 'your user in the tenant',
    ],
    ['Tenant', simulated ? `${tenant}, simulated` : tenant],
    ['Login store', store],
    ['Stop', 'Ctrl-C'],
  ]
  return `\n${lines.map(([name = '', value]) => `  ${name.padEnd(13)}${value}`).join('\n')}\n\n`
}
