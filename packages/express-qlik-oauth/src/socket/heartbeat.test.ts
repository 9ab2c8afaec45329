import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { heartbeat } from './heartbeat.ts'

describe('heartbeat', () => {
  beforeEach(() => void jest.useFakeTimers())
  afterEach(() => void jest.useRealTimers())

  it('ticks each member once per period', () => {
    const heartbeats = heartbeat(1600)
    const members = Array.from({ length: 100 }, () => ({ tick: jest.fn() }))
    for (const member of members) heartbeats.add(member)
    jest.advanceTimersByTime(1600)
    expect(members.map(({ tick }) => tick.mock.calls.length)).toEqual(members.map(() => 1))
    jest.advanceTimersByTime(14_400)
    expect(members.map(({ tick }) => tick.mock.calls.length)).toEqual(members.map(() => 10))
  })

  it('spreads the ticks over the period', () => {
    const heartbeats = heartbeat(1600)
    const moments = new Map<number, number>()
    for (let count = 0; count < 160; count += 1)
      heartbeats.add({ tick: () => moments.set(Date.now(), (moments.get(Date.now()) ?? 0) + 1) })
    jest.advanceTimersByTime(1600)
    expect([...moments.values()]).toEqual(Array.from({ length: 16 }, () => 10))
  })

  it('runs one timer for all members, and none without members', () => {
    const heartbeats = heartbeat(1600)
    const members = Array.from({ length: 100 }, () => ({ tick: jest.fn() }))
    expect(jest.getTimerCount()).toBe(0)
    for (const member of members) heartbeats.add(member)
    expect(jest.getTimerCount()).toBe(1)
    for (const member of members) heartbeats.remove(member)
    expect(jest.getTimerCount()).toBe(0)
    heartbeats.remove({ tick: () => {} })
    heartbeats.add({ tick: () => {} })
    expect(jest.getTimerCount()).toBe(1)
  })

  it('does not tick a member that another one removed during the same tick', () => {
    const heartbeats = heartbeat(1600)
    const last = { tick: jest.fn() }
    const first = { tick: () => heartbeats.remove(last) }
    heartbeats.add(first)
    for (let slot = 1; slot < 16; slot += 1) heartbeats.add({ tick: () => {} })
    heartbeats.add(last)
    jest.advanceTimersByTime(8000)
    expect(last.tick).not.toHaveBeenCalled()
  })
})
