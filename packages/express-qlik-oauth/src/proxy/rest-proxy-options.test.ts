import { describe, expect, it } from '@jest/globals'
import { type RestProxyOptions, restProxySettings } from './rest-proxy-options.ts'

const valid = { authenticate: async () => undefined, publicUrl: 'https://app.example.com' }

describe('options of the REST proxy', () => {
  it.each<[string, unknown]>([
    ['authenticate', 'user'],
    ['publicUrl', 'app.example.com'],
    ['publicUrl', 'http://app.example.com'],
    ['publicUrl', 'https://app.example.com/?path'],
    ['mount', 'qlik'],
    ['mount', '/qlik/'],
    ['allow', []],
    ['allow', '/api/**'],
    ['dangerouslyRunTenantPages', '/api/v1/page'],
    ['dangerouslyRunTenantPages', ['/api/**']],
    ['dangerouslyRunTenantPages', ['page.html']],
    ['trustProxy', 'nonsense'],
    ['timeouts', 5],
    ['timeouts', { headerMs: 5 }],
    ['timeouts', { headersMs: 0 }],
    ['limits', { bodyBytes: '5' }],
    ['limits', { requestPerLogin: 5 }],
    ['limits', { requestsPerLogin: 0.5 }],
    ['limits', { eventStreamsPerLogin: -1 }],
    ['connections', 0],
    ['onEvent', 'log'],
    ['conections', 5],
  ])('refuse %s: %j', (name, value) => {
    const options: RestProxyOptions = { ...valid, [name]: value }
    const make = (): unknown => restProxySettings(options)
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_CONFIGURATION' }))
  })
})
