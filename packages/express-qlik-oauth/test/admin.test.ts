import { randomBytes } from 'node:crypto'
import { expect, it } from '@jest/globals'
import { createTenant } from 'qlik-tenant-simulator'
import { startRedis } from 'test-support/redis-server'
import { startAll } from 'test-support/start-all'
import { promptly, until } from 'test-support/until'
import {
  type ApplicationProcess,
  publicUrl,
  settingsFor,
  startApplicationProcess,
} from './support/application-processes.ts'
import { loggedIn } from './support/visitor.ts'

it('an administrator who ends all logins of a user in one process ends REST and sockets in the others, and revokes the tokens', async () => {
  const [redis, tenant] = await startAll(startRedis(), createTenant())
  const settings = settingsFor(tenant, redis.url, [randomBytes(32).toString('base64')])
  let processes: ApplicationProcess[] = []
  try {
    processes = await startAll(
      ...[0, 60, 0].map(cacheSeconds => startApplicationProcess({ ...settings, cacheSeconds })),
    )
    const [a = '', b = '', c = ''] = processes.map(({ origin }) => origin)
    const [phone, laptop, ben] = await Promise.all(
      ['ada', 'ada', 'ben'].map(user => loggedIn(tenant, a, user, publicUrl)),
    )
    if (phone === undefined || laptop === undefined || ben === undefined) throw new Error('Nobody is logged in')
    const user = processes[0]?.named('login').find(login => login.user.email === 'ada@example.com')?.user.id
    const sockets = await Promise.all([phone.openSocket(a), laptop.openSocket(b)])
    const other = await ben.openSocket(b)
    let othersEnd: number | undefined
    void other.closed.then(code => (othersEnd = code))
    expect(await laptop.mayCall(b)).toBe(true)
    expect(await (await fetch(`${c}/admin/logins/${user}`)).json()).toHaveLength(2)
    const revocations = () =>
      tenant.requests.filter(({ path }) => path === '/oauth/revoke').map(({ body }) => body?.token_type_hint)

    expect(await (await fetch(`${c}/admin/logins/${user}`, { method: 'DELETE' })).json()).toBe(2)
    expect(await promptly(Promise.all(sockets.map(({ closed }) => closed)))).toEqual([4006, 4006])
    await promptly(until(async () => !(await phone.mayCall(a)) && !(await laptop.mayCall(b))))

    expect(revocations().filter(hint => hint === 'refresh_token')).toHaveLength(2)
    expect(await (await fetch(`${c}/admin/logins/${user}`)).json()).toEqual([])
    expect(await ben.mayCall(b)).toBe(true)
    expect(othersEnd).toBeUndefined()
  } finally {
    await Promise.all(processes.map(one => one.stop()))
    await Promise.all([tenant.close(), redis.stop()])
  }
})
