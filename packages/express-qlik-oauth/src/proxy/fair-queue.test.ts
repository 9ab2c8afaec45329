import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { FairQueue, type Lane, type Turn } from './fair-queue.ts'

interface Entered extends Turn {
  readonly login: string
  lane?: Lane
  begun: boolean
}
const turn = (login: string): Entered => ({
  login,
  begun: false,
  begin() {
    this.begun = true
  },
})

function queueOf(concurrent: number, perLogin = 100, waiting = 1000) {
  const queue = new FairQueue({ concurrent, perLogin, waiting })
  return {
    enter(login: string): Entered {
      const entered = turn(login)
      entered.lane = queue.enter(login, entered)
      return entered
    },
    leave(entered: Entered): void {
      if (entered.lane !== undefined) queue.leave(entered.lane, entered)
    },
  }
}

describe('fair queue', () => {
  it('leaves half of the places to others', () => {
    const { enter } = queueOf(4)
    expect([1, 2, 3, 4].map(() => enter('a').begun)).toEqual([true, true, false, false])
    expect([1, 2, 3].map(() => enter('b').begun)).toEqual([true, true, false])
  })

  it('gives places to waiting logins in turn', () => {
    const order: string[] = []
    const { enter, leave } = queueOf(2)
    const running = [enter('a'), enter('b')]
    const waiting = ['c', 'c', 'c', 'd', 'e'].map(enter)
    for (let ended = running.shift(); ended !== undefined; ended = running.shift()) {
      leave(ended)
      for (const one of waiting.filter(({ begun }) => begun)) {
        waiting.splice(waiting.indexOf(one), 1)
        running.push(one)
        order.push(one.login)
      }
    }
    expect(order.slice(0, 3)).toEqual(['c', 'd', 'e'])
    expect(order).toHaveLength(5)
  })

  it('refuses what a login has too many of, and what all have', () => {
    const { enter, leave } = queueOf(2, 3, 2)
    const first = enter('a')
    enter('a')
    enter('a')
    expect(() => enter('a')).toThrow(expect.objectContaining({ code: 'ERR_TOO_MANY_LOGIN_REQUESTS', status: 429 }))
    enter('b')
    expect(() => enter('c')).toThrow(expect.objectContaining({ code: 'ERR_TENANT_BUSY', status: 503 }))
    leave(first)
    expect(enter('c').begun).toBe(false)
  })

  it('forgets who leaves while waiting', () => {
    const { enter, leave } = queueOf(2, 100, 2)
    const first = enter('a')
    const left = [enter('a'), enter('a')]
    left.forEach(leave)
    const third = enter('a')
    leave(first)
    expect([...left, third].map(({ begun }) => begun)).toEqual([false, false, true])
  })

  it('never has more under way than it may, never idles while somebody could begin, and forgets nobody', () => {
    const command = fc.tuple(fc.boolean(), fc.constantFrom('a', 'b', 'c'), fc.nat())
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(command, { maxLength: 80 }), (concurrent, commands) => {
        const { enter, leave } = queueOf(concurrent)
        const share = Math.max(1, Math.floor(concurrent / 2))
        const inside: Entered[] = []
        for (const [enters, login, index] of commands) {
          if (enters || inside.length === 0) inside.push(enter(login))
          else inside.splice(index % inside.length, 1).forEach(leave)
          const running = inside.filter(({ begun }) => begun)
          const runningOf = (name: string): number => running.filter(one => one.login === name).length
          expect(running.length).toBeLessThanOrEqual(concurrent)
          for (const name of ['a', 'b', 'c']) expect(runningOf(name)).toBeLessThanOrEqual(share)
          const couldBegin = inside.some(one => !one.begun && runningOf(one.login) < share)
          if (couldBegin) expect(running.length).toBe(concurrent)
        }
        while (inside.length > 0) {
          const index = inside.findIndex(({ begun }) => begun)
          expect(index).toBeGreaterThanOrEqual(0)
          inside.splice(index, 1).forEach(leave)
        }
      }),
    )
  })
})
