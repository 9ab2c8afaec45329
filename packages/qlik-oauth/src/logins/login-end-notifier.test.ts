import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { sampleLogin } from '../../test/support/login-store-tour.ts'
import type { LoginChange, LoginStore } from '../stores/login-store.ts'
import { memoryLoginStore } from '../stores/memory-login-store.ts'
import { type LoginEndNotifier, loginEndNotifier, type WatchableLogin } from './login-end-notifier.ts'

const hour = 3600_000
let checks: number
let idleLeft: (key: string) => Promise<number>
let onChange: (change: LoginChange) => void
let onGap: () => void
let notifier: LoginEndNotifier
let notified: string[]

beforeEach(() => {
  jest.useFakeTimers()
  checks = 0
  idleLeft = async () => hour
  notified = []
  const store: LoginStore = {
    ...memoryLoginStore(),
    idleLeft(key) {
      checks++
      return idleLeft(key)
    },
    subscribe(change, gap) {
      onChange = change
      onGap = gap
      return { confirmed: true, close: async () => {} }
    },
  }
  notifier = loginEndNotifier({ store, now: Date.now, onChange: () => {}, onGap: () => {}, onExpired: () => {} })
})
afterEach(async () => {
  await notifier.close()
  jest.useRealTimers()
})

async function watch(count: number): Promise<void> {
  for (let at = 0; at < count; at++) notifier.onEnd(login(`login-${at}`), () => notified.push(`login-${at}`))
  await jest.advanceTimersByTimeAsync(0)
  checks = 0
}

function login(key: string): WatchableLogin {
  return { key, record: sampleLogin() }
}

describe('login end notifier', () => {
  it('calls the listeners of an ended login once', async () => {
    await watch(2)
    onChange({ type: 'changed', key: 'login-0' })
    onChange({ type: 'ended', key: 'login-1' })
    onChange({ type: 'ended', key: 'login-1' })
    expect(notified).toEqual(['login-1'])
  })

  it('checks a login at its idle end', async () => {
    idleLeft = async () => 2000
    await watch(1)
    idleLeft = async () => 0
    await jest.advanceTimersByTimeAsync(1900)
    expect(notified).toEqual([])
    await jest.advanceTimersByTimeAsync(200)
    expect(notified).toEqual(['login-0'])
  })

  it('checks few logins within 15 seconds, in case one was evicted', async () => {
    await watch(3)
    idleLeft = async key => (key === 'login-1' ? 0 : hour)
    await jest.advanceTimersByTimeAsync(15_100)
    expect(notified).toEqual(['login-1'])
  })

  it('sends at most about 100 checks a second for many logins', async () => {
    await watch(5000)
    for (let second = 0; second < 120; second++) {
      const before = checks
      await jest.advanceTimersByTimeAsync(1000)
      expect(checks - before).toBeLessThan(300)
    }
    expect(checks).toBeLessThan(120 * 110)
    expect(checks).toBeGreaterThan(5000)
  })

  it('spreads the checks after a gap, and finds all ends', async () => {
    await watch(5000)
    idleLeft = async key => (Number(key.slice(6)) % 1000 === 0 ? 0 : hour)
    onGap()
    await jest.advanceTimersByTimeAsync(10)
    expect(checks).toBeLessThan(100)
    await jest.advanceTimersByTimeAsync(5000)
    expect(notified.sort()).toEqual(['login-0', 'login-1000', 'login-2000', 'login-3000', 'login-4000'])
  })

  it('repeats a failed check without haste', async () => {
    await watch(5000)
    idleLeft = () => Promise.reject(new Error('away'))
    onGap()
    await jest.advanceTimersByTimeAsync(5000)
    checks = 0
    await jest.advanceTimersByTimeAsync(60_000)
    expect(checks).toBeLessThan(60 * 110)
  })
})
