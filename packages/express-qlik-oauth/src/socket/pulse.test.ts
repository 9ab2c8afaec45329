import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { pulse } from './pulse.ts'

describe('pulse', () => {
  beforeEach(() => void jest.useFakeTimers())
  afterEach(() => void jest.useRealTimers())

  it('beats for each member once in a period', () => {
    const beats = pulse(1600)
    const members = Array.from({ length: 100 }, () => ({ beat: jest.fn() }))
    for (const member of members) beats.add(member)
    jest.advanceTimersByTime(1600)
    expect(members.map(({ beat }) => beat.mock.calls.length)).toEqual(members.map(() => 1))
    jest.advanceTimersByTime(14_400)
    expect(members.map(({ beat }) => beat.mock.calls.length)).toEqual(members.map(() => 10))
  })

  it('beats for few of them at the same moment', () => {
    const beats = pulse(1600)
    const moments = new Map<number, number>()
    for (let count = 0; count < 160; count += 1) beats.add({ beat: () => moments.set(Date.now(), (moments.get(Date.now()) ?? 0) + 1) })
    jest.advanceTimersByTime(1600)
    expect([...moments.values()]).toEqual(Array.from({ length: 16 }, () => 10))
  })

  it('runs one timer however many members there are, and none without members', () => {
    const beats = pulse(1600)
    const members = Array.from({ length: 100 }, () => ({ beat: jest.fn() }))
    expect(jest.getTimerCount()).toBe(0)
    for (const member of members) beats.add(member)
    expect(jest.getTimerCount()).toBe(1)
    for (const member of members) beats.remove(member)
    expect(jest.getTimerCount()).toBe(0)
    beats.remove({ beat: () => {} })
    beats.add({ beat: () => {} })
    expect(jest.getTimerCount()).toBe(1)
  })

  it('beats no more for a member that was removed, be it by another one meanwhile', () => {
    const beats = pulse(1600)
    const last = { beat: jest.fn() }
    const first = { beat: () => beats.remove(last) }
    beats.add(first)
    for (let slot = 1; slot < 16; slot += 1) beats.add({ beat: () => {} })
    beats.add(last)
    jest.advanceTimersByTime(8000)
    expect(last.beat).not.toHaveBeenCalled()
  })
})
