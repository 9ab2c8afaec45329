import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type RedisServer, startRedis } from 'test-support/redis-server'
import { startAll } from 'test-support/start-all'
import { type DemoProcess, startDemo } from './demo-process.ts'

export interface DemoAtTenant {
  readonly tenant: SimulatedTenant
  readonly redis: RedisServer
  readonly demo: DemoProcess
  close(): Promise<void>
}

/** Starts a demo with its own Redis, and a simulated tenant in this process with the clients of the demo. */
export async function startDemoAtTenant(environment: Record<string, string> = {}): Promise<DemoAtTenant> {
  const [tenant, redis] = await startAll(createTenant(), startRedis())
  const demo = await startDemo({ QLIK_TENANT_URL: tenant.origin, REDIS_URL: redis.url, ...environment }).catch(
    async error => {
      await Promise.all([tenant.close(), redis.stop()])
      throw error
    },
  )
  tenant.registerClient({
    clientId: 'demo-web',
    clientSecret: 'demo-web-secret',
    appType: 'web',
    redirectUris: [`${demo.origin}/auth/callback`],
    allowedScopes: ['user_default', 'offline_access'],
  })
  tenant.registerClient({
    clientId: 'demo-spa',
    appType: 'spa',
    redirectUris: [`${demo.origin}/spa/callback`],
    allowedOrigins: [demo.origin],
    allowedScopes: ['user_default'],
  })
  return {
    tenant,
    redis,
    demo,
    async close() {
      await demo.end()
      await tenant.close()
      await redis.stop()
    },
  }
}
