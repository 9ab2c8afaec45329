import { describe, expect, it } from '@jest/globals'
import { environmentProxy, isListed } from './environment-proxy.ts'

const tenant = 'https://acme.eu.qlikcloud.com'
const proxyOf = (environment: NodeJS.ProcessEnv, origin = tenant) => environmentProxy(origin, environment)?.href

describe('the proxy that the environment names', () => {
  it.each<[NodeJS.ProcessEnv, string | undefined]>([
    [{ HTTPS_PROXY: 'http://proxy:3128' }, 'http://proxy:3128/'],
    [{ https_proxy: 'http://lower:1', HTTPS_PROXY: 'http://upper:1' }, 'http://lower:1/'],
    [{ HTTP_PROXY: 'http://proxy:3128' }, 'http://proxy:3128/'],
    [{ HTTPS_PROXY: 'http://secure:1', http_proxy: 'http://plain:1' }, 'http://secure:1/'],
    [{ HTTPS_PROXY: 'proxy.example:3128' }, 'http://proxy.example:3128/'],
    [{ HTTPS_PROXY: 'https://user:p%40ss@proxy' }, 'https://user:p%40ss@proxy/'],
    [{ HTTPS_PROXY: ' http://[::1]:3128 ' }, 'http://[::1]:3128/'],
    [{ https_proxy: '', HTTPS_PROXY: 'http://proxy:3128', HTTP_PROXY: 'http://proxy:3128' }, undefined],
    [{ HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: '.qlikcloud.com' }, undefined],
    [{ HTTPS_PROXY: 'http://proxy:3128', no_proxy: '', NO_PROXY: '*' }, 'http://proxy:3128/'],
    [{ HTTPS_PROXY: 'socks5://proxy', NO_PROXY: '*' }, undefined],
    [{}, undefined],
  ])('%j is %s', (environment, expected) => expect(proxyOf(environment)).toBe(expected))

  it.each(['http://localhost:4000', 'https://127.0.0.1', 'http://[::1]:80', 'https://acme.localhost'])(
    'is not used for %s',
    origin => expect(proxyOf({ HTTPS_PROXY: 'http://proxy', HTTP_PROXY: 'http://proxy' }, origin)).toBeUndefined(),
  )

  it.each([
    'socks5://user:hidden@proxy:1080',
    'http://user:hidden@proxy:99999',
    'http://proxy/path',
    'http://u:%hidden@proxy',
  ])('is refused with the name of the variable and without its value: %s', value => {
    const refused = () => proxyOf({ HTTPS_PROXY: value })
    expect(refused).toThrow(/^HTTPS_PROXY must be the URL of an HTTP proxy/)
    expect(refused).not.toThrow(/hidden/)
  })
})

describe('NO_PROXY', () => {
  it.each([
    ['*', 'acme.eu.qlikcloud.com', 443],
    ['other.example, *', 'acme.eu.qlikcloud.com', 443],
    ['acme.eu.qlikcloud.com', 'acme.eu.qlikcloud.com', 443],
    ['ACME.eu.qlikcloud.com', 'acme.eu.qlikcloud.com', 443],
    ['qlikcloud.com', 'acme.eu.qlikcloud.com', 443],
    ['.qlikcloud.com', 'acme.eu.qlikcloud.com', 443],
    ['*.qlikcloud.com', 'acme.eu.qlikcloud.com', 443],
    ['a.example b.example', 'b.example', 443],
    ['acme.example:8443', 'acme.example', 8443],
    ['acme.example.', 'acme.example', 443],
    ['acme.example', 'acme.example.', 443],
    ['10.1.2.3', '10.1.2.3', 443],
    ['10.0.0.0/8', '10.1.2.3', 443],
    ['2001:db8::1', '[2001:db8::1]', 443],
    ['[2001:DB8:0::1]:8443', '[2001:db8::1]', 8443],
    ['2001:db8::/32', '[2001:db8::1]', 443],
    ['10.1.2.3', '[::ffff:a01:203]', 443],
  ])('%j lists %s:%s', (list, host, port) => expect(isListed(list, host, port)).toBe(true))

  it.each([
    ['', 'acme.example', 443],
    [',', 'acme.example', 443],
    ['.', 'acme.example', 443],
    ['cme.example', 'acme.example', 443],
    ['acme.example:8443', 'acme.example', 443],
    ['acme.example.evil', 'acme.example', 443],
    ['10.0.0.0/8', '11.1.2.3', 443],
    ['10.0.0.0/8', 'ten.example', 443],
    ['1.2.3', '10.1.2.3', 443],
    ['::/0', '10.1.2.3', 443],
    ['[2001:db8::1]:8443', '[2001:db8::1]', 443],
  ])('%j does not list %s:%s', (list, host, port) => expect(isListed(list, host, port)).toBe(false))
})
