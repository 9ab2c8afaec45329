import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { heartbeat } from './heartbeat.ts'

describe('pulse', () => {
  beforeEach(() => void jest.useFakeTimers())
  afterEach(() => void jest.useRealTimers())

  it('beats for each member once in a period', () => {
    const beats = heartbeat(1600)
    const members = Array.from({ length: 100 }, () => ({ tick: jest.fn() }))
    for (const member of members) beats.add(member)
    jest.advanceTimersByTime(1600)
    expect(members.map(({ tick }) => tick.mock.calls.length)).toEqual(members.map(() => 1))
    jest.advanceTimersByTime(14_400)
    expect(members.map(({ tick }) => tick.mock.calls.length)).toEqual(members.map(() => 10))
  })

  it('beats for few of them at the same moment', () => {
    const beats = heartbeat(1600)
    const moments = new Map<number, number>()
    for (let count = 0; count < 160; count += 1)
      beats.add({ tick: () => moments.set(Date.now(), (moments.get(Date.now()) ?? 0) + 1) })
    jest.advanceTimersByTime(1600)
    expect([...moments.values()]).toEqual(Array.from({ length: 16 }, () => 10))
  })

  it('runs one timer however many members there are, and none without members', () => {
    const beats = heartbeat(1600)
    const members = Array.from({ length: 100 }, () => ({ tick: jest.fn() }))
    expect(jest.getTimerCount()).toBe(0)
    for (const member of members) beats.add(member)
    expect(jest.getTimerCount()).toBe(1)
    for (const member of members) beats.remove(member)
    expect(jest.getTimerCount()).toBe(0)
    beats.remove({ tick: () => {} })
    beats.add({ tick: () => {} })
    expect(jest.getTimerCount()).toBe(1)
  })

  it('beats no more for a member that was removed, be it by another one meanwhile', () => {
    const beats = heartbeat(1600)
    const last = { tick: jest.fn() }
    const first = { tick: () => beats.remove(last) }
    beats.add(first)
    for (let slot = 1; slot < 16; slot += 1) beats.add({ tick: () => {} })
    beats.add(last)
    jest.advanceTimersByTime(8000)
    expect(last.tick).not.toHaveBeenCalled()
  })
})
