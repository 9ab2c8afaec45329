import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { FairQueue, type LoginQueue, type QueuedRequest } from './fair-queue.ts'

interface TestRequest extends QueuedRequest {
  readonly login: string
  slot?: LoginQueue
  started: boolean
}
const testRequest = (login: string): TestRequest => ({
  login,
  started: false,
  start() {
    this.started = true
  },
})

function queueOf(concurrent: number, perLogin = 100, waiting = 1000) {
  const queue = new FairQueue({ concurrent, perLogin, waiting })
  return {
    acquire(login: string): TestRequest {
      const request = testRequest(login)
      request.slot = queue.acquire(login, request)
      return request
    },
    release(request: TestRequest): void {
      if (request.slot !== undefined) queue.release(request.slot, request)
    },
  }
}

describe('fair queue', () => {
  it('leaves half of the connections to other logins', () => {
    const { acquire } = queueOf(4)
    expect([1, 2, 3, 4].map(() => acquire('a').started)).toEqual([true, true, false, false])
    expect([1, 2, 3].map(() => acquire('b').started)).toEqual([true, false, false])
  })

  it('reserves a quarter of the connections for logins with no request in progress', () => {
    const { acquire, release } = queueOf(8)
    const started = (login: string) => [1, 2, 3, 4, 5].filter(() => acquire(login).started).length
    expect([started('a'), started('b'), started('c'), started('d')]).toEqual([4, 2, 1, 1])
    const waiting = acquire('e')
    expect(waiting.started).toBe(false)
    release(acquire('e'))
    expect(waiting.started).toBe(false)
  })

  it('serves logins with no request in progress before the further requests of others', () => {
    const { acquire, release } = queueOf(4)
    const [first, second] = [acquire('a'), acquire('a')]
    const third = acquire('a')
    const others = [acquire('b'), acquire('c')]
    const last = acquire('d')
    release(first)
    expect([third.started, last.started]).toEqual([false, true])
    for (const request of [second, ...others]) release(request)
    expect(third.started).toBe(true)
  })

  it('serves waiting logins in turn', () => {
    const order: string[] = []
    const { acquire, release } = queueOf(2)
    const running = [acquire('a'), acquire('b')]
    const waiting = ['c', 'c', 'c', 'd', 'e'].map(acquire)
    for (let ended = running.shift(); ended !== undefined; ended = running.shift()) {
      release(ended)
      for (const one of waiting.filter(({ started }) => started)) {
        waiting.splice(waiting.indexOf(one), 1)
        running.push(one)
        order.push(one.login)
      }
    }
    expect(order.slice(0, 3)).toEqual(['c', 'd', 'e'])
    expect(order).toHaveLength(5)
  })

  it('limits the requests of one login, and the waiting requests of all', () => {
    const { acquire, release } = queueOf(2, 3, 2)
    const first = acquire('a')
    acquire('a')
    acquire('a')
    expect(() => acquire('a')).toThrow(expect.objectContaining({ code: 'ERR_TOO_MANY_LOGIN_REQUESTS', status: 429 }))
    acquire('b')
    expect(() => acquire('c')).toThrow(expect.objectContaining({ code: 'ERR_TENANT_BUSY', status: 503 }))
    release(first)
    expect(acquire('c').started).toBe(false)
  })

  it('never starts a request that was released while it waited', () => {
    const { acquire, release } = queueOf(2, 100, 2)
    const first = acquire('a')
    const left = [acquire('a'), acquire('a')]
    left.forEach(release)
    const third = acquire('a')
    release(first)
    expect([...left, third].map(({ started }) => started)).toEqual([false, false, true])
  })

  it('keeps the limit of a login in progress while thousands of others come and go', () => {
    const { acquire, release } = queueOf(10, 2)
    const running = [acquire('a'), acquire('a')]
    for (let number = 0; number < 3000; number += 1) release(acquire(`login ${number}`))
    expect(() => acquire('a')).toThrow(expect.objectContaining({ code: 'ERR_TOO_MANY_LOGIN_REQUESTS' }))
    running.forEach(release)
    expect(acquire('a').started).toBe(true)
  })

  it('never exceeds its limits, never idles while a request could start, and loses none', () => {
    const command = fc.tuple(fc.boolean(), fc.constantFrom('a', 'b', 'c'), fc.nat())
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(command, { maxLength: 80 }), (concurrent, commands) => {
        const { acquire, release } = queueOf(concurrent)
        const share = Math.max(1, Math.floor(concurrent / 2))
        const inside: TestRequest[] = []
        for (const [enters, login, index] of commands) {
          if (enters || inside.length === 0) inside.push(acquire(login))
          else inside.splice(index % inside.length, 1).forEach(release)
          const running = inside.filter(({ started }) => started)
          const runningOf = (name: string): number => running.filter(one => one.login === name).length
          expect(running.length).toBeLessThanOrEqual(concurrent)
          for (const name of ['a', 'b', 'c']) expect(runningOf(name)).toBeLessThanOrEqual(share)
          const open = concurrent - Math.floor(concurrent / 4)
          const couldStart = inside.some(({ started, login: name }) => {
            const itsRunning = runningOf(name)
            return !started && itsRunning < share && running.length < (itsRunning === 0 ? concurrent : open)
          })
          expect(couldStart).toBe(false)
        }
        while (inside.length > 0) {
          const index = inside.findIndex(({ started }) => started)
          expect(index).toBeGreaterThanOrEqual(0)
          inside.splice(index, 1).forEach(release)
        }
      }),
    )
  })
})
