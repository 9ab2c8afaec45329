import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { mountAt } from '../http/location/mount.ts'
import { publicLocation } from '../http/location/public-location.ts'
import { socketTarget } from './socket-target.ts'

const tenant = 'https://acme.eu.qlikcloud.com'
const id = '4d3c6b2a-6b1c-4e0b-9a51-7f8e2d1c0b9a'
const mount = mountAt(publicLocation('https://app.example.com'), '/qlik')
const path = (url: string) => socketTarget(`/qlik${url}`, mount).path(tenant)

describe('socket target', () => {
  it.each([
    `/app/${id}`,
    `/app/SessionApp_${id}`,
    '/app/%3Ftransient%3Da1b2',
    `/app/${id}/identity/42`,
    `/app/${id}/identity/auth0%7Ca1b2/ttl/60`,
    `/app/${id}/identity/auth0|a1b2`,
    `/app/${id}/identity/anna%40example.com`,
    `/app/${id}/identity/a..b`,
    `/app/${id}/ttl/0`,
  ])('keeps %s as it is', url => expect(path(url)).toBe(url))

  it.each([
    '/../app/x',
    '/app/../x',
    '/app/..',
    '/app/%2e%2e',
    '/app/%2E./x',
    '/app/.%2e%2fapi',
    '/app/..%2fapi',
    '/app/..%5capi',
    '/app/..\\api',
    '/app/%252e%252e',
    '//app/x',
    '/app//x',
    '/app/x%00',
    '/app/x;y',
    '/app/x#y',
    '/app/x y',
    '/app/xé',
    '/app/',
    '/app/x/',
    '/app/x/y',
    '/app/x.y',
    '/app/x@evil.example',
    '/app/x:80',
    '/app/%3Fx',
    `/app/${'x'.repeat(129)}`,
    '/app/x/identity/',
    '/app/x/identity/..',
    '/app/x/identity/%2e%2e',
    '/app/x/identity/a%2fb',
    '/app/x/identity/a%252fb',
    '/app/x/identity/a%EF%BC%8Fb',
    '/app/x/identity/a%E2%88%95b',
    '/app/x/identity/a%25b',
    '/app/x/identity/a;b',
    '/app/x/identity/%EF%BC%8E%EF%BC%8E',
    '/app/x/identity/a%3fb',
    '/app/x/identity/a%0d%0ab',
    '/app/x/identity/%',
    '/app/x/identity/%c3',
    '/app/x/identity/a/ttl/',
    '/app/x/ttl/-1',
    '/app/x/ttl/1/identity/a',
    '/app/x/api/v1/users',
  ])('refuses %s', url =>
    expect(() => path(url)).toThrow(expect.objectContaining({ code: 'ERR_PATH_REFUSED', status: 400 })),
  )

  it.each(['', '/', '/api/v1/users/me', '/apps', '/APP/x', '/sense/app/x', '?x'])('has no socket at %j', url =>
    expect(() => path(url)).toThrow(expect.objectContaining({ code: 'ERR_SOCKET_NOT_FOUND', status: 404 })),
  )

  it('leads to an app of the tenant or is refused, for any URL', () => {
    const pieces = fc.constantFrom(
      '/',
      'app',
      '/app/',
      'x',
      '.',
      '..',
      '%2e',
      '%2f',
      '%5c',
      '%25',
      '\\',
      '?',
      '#',
      '@',
      ':',
      ';',
      '//',
      '%00',
      '%3F',
      '%EF%BC%8F',
      '/identity/',
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(pieces, fc.string()), { maxLength: 8 }), parts => {
        const url = `/qlik/app/${parts.join('')}`
        let found: URL
        try {
          found = new URL(tenant + socketTarget(url, mount).path(tenant))
        } catch {
          return
        }
        expect(found.origin).toBe(tenant)
        expect(decodeURIComponent(found.pathname).normalize('NFKC')).toMatch(
          /^\/app\/(?:[\w-]+|\?transient(?:=[\w-]*)?)(?:\/identity\/[^/\\]+)?(?:\/ttl\/\d+)?$/i,
        )
      }),
      { numRuns: 2000 },
    )
  })

  it.each([
    ['ws://localhost:3000/qlik/sense/app/x', `wss://acme.eu.qlikcloud.com/sense/app/x`],
    ['https://localhost:3000/qlik/sense/app/x', `${tenant}/sense/app/x`],
    ['wss://evil.example/qlik/sense/app/x', 'wss://acme.eu.qlikcloud.com/sense/app/x'],
    ['wss://evil.example/elsewhere', `wss://acme.eu.qlikcloud.com/sense/app/${id}`],
    ['javascript:alert(1)', `wss://acme.eu.qlikcloud.com/sense/app/${id}`],
    ['', `wss://acme.eu.qlikcloud.com/sense/app/${id}`],
  ])('puts reloadUri %j on the tenant', (value, expected) => {
    expect(path(`/app/${id}?reloadUri=${encodeURIComponent(value)}`)).toBe(
      `/app/${id}?reloadUri=${encodeURIComponent(expected)}`,
    )
  })

  it('drops credentials, and keeps the other parameters', () => {
    const query =
      'accessToken=a&AccessToken=b&qlik-csrf-token=c&qlik-web-integration-id=d&apiKey=e&workloadType=interactive-reload&Xrfkey=f%26g'
    expect(path(`/app/${id}?${query}`)).toBe(`/app/${id}?workloadType=interactive-reload&Xrfkey=f%26g`)
    expect(path(`/app/${id}?accessToken=a`)).toBe(`/app/${id}`)
  })
})
