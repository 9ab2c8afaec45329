import { describe, expect, it } from '@jest/globals'
import { socketProxySettings } from './socket-proxy-options.ts'

const required = { authenticate: async () => undefined, publicUrl: 'https://app.example.com' }

describe('options of the socket proxy', () => {
  it.each([
    ['onEvent', { onEvent: 7 }],
    ['authenticate', { authenticate: 'ada' }],
    ['publicUrl', { publicUrl: 'app.example.com' }],
    ['mount', { mount: '/qlik/' }],
    ['pingSeconds', { pingSeconds: 0 }],
    ['handshakeTimeoutMs', { handshakeTimeoutMs: '5' }],
    ['maxSockets', { maxSockets: 1.5 }],
    ['trustProxy', { trustProxy: 'somewhere' }],
    ['sockets has no option maxSocket', { maxSocket: 5 }],
  ])('must be valid: %s', (start, option) =>
    expect(() => socketProxySettings({ ...required, ...(option as object) })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION', message: expect.stringMatching(new RegExp(`^${start}`)) }),
    ),
  )

  it('have defaults', () =>
    expect(socketProxySettings(required)).toMatchObject({
      mount: { path: '/qlik' },
      handshakeTimeoutMs: 15_000,
      heartbeatMs: 25_000,
      maxMessageBytes: 134_217_728,
      maxSockets: 10_000,
      maxSocketsPerLogin: 100,
      maxUpgradesPerMinute: 300,
    }))
})
