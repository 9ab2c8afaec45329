import { describe, expect, it } from '@jest/globals'
import { isLoopback, pathOnTenant } from './tenant-origin.ts'

describe('a loopback host name', () => {
  const hostname = (url: string) => new URL(url).hostname

  it.each([
    'http://localhost',
    'http://demo.localhost',
    'http://127.0.0.1',
    'http://127.255.255.254',
    'http://127.1',
    'http://0x7f.1',
    'http://[::1]',
    'http://[0:0:0:0:0:0:0:1]',
    'http://[::ffff:127.0.0.1]',
  ])('is that of %s', url => expect(isLoopback(hostname(url))).toBe(true))

  it.each([
    'http://localhost.example.com',
    'http://notlocalhost',
    'http://127.0.0.1.example.com',
    'http://128.0.0.1',
    'http://0.0.0.0',
    'http://[::]',
    'http://[::2]',
    'http://[::ffff:10.0.0.1]',
    'http://[fe80::1]',
    'http://10.0.0.1',
    'http://acme.eu.qlikcloud.com',
  ])('is not that of %s', url => expect(isLoopback(hostname(url))).toBe(false))

  it.each(['', '127.0.0', '127.0.0.1.', '127.0.0.0x1', '127.0.0.256', '::1]', '[127.0.0.1', 'LOCALHOST.'])(
    'is not %j, which the URL standard does not serialize',
    name => expect(isLoopback(name)).toBe(false),
  )
})

describe('a reference of the tenant', () => {
  const tenant = 'https://acme.eu.qlikcloud.com'

  it.each([
    ['/api/v1/users/7', '/api/v1/users/7'],
    ['7?x=1', '/api/v1/users/7?x=1'],
    ['?page=2', '/api/v1/users/me?page=2'],
    ['https://acme.eu.qlikcloud.com/x#fragment', '/x'],
    ['//acme.eu.qlikcloud.com/x', '/x'],
    ['HTTPS://ACME.EU.QLIKCLOUD.COM:443/x', '/x'],
  ])('%j is the path %s', (reference, path) => expect(pathOnTenant(reference, tenant, '/api/v1/users/me')).toBe(path))

  it.each([
    'https://evil.example/x',
    '//evil.example/x',
    '/\\evil.example',
    '\\\\evil.example',
    'http://acme.eu.qlikcloud.com/x',
    'https://acme.eu.qlikcloud.com:8443/x',
    'https://acme.eu.qlikcloud.com.evil.example/',
    'https://acme.eu.qlikcloud.com@evil.example/',
    'javascript:alert(1)',
    'https://[',
    ['/api'],
    undefined,
    null,
  ])('%j leads elsewhere', reference => expect(pathOnTenant(reference, tenant)).toBeUndefined())
})
