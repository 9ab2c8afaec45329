import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { clientAddress, clientNetwork, type TrustProxy } from './client-address.ts'

describe('client network', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['192.0.2.1:4711', '192.0.2.1'],
    [' 192.0.2.1 ', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['[::ffff:192.0.2.1]:80', '192.0.2.1'],
    ['2001:db8::a:1', '2001:db8:0:0::/64'],
    ['2001:DB8:0::b:1', '2001:db8:0:0::/64'],
    ['[2001:db8::b:1]:443', '2001:db8:0:0::/64'],
    ['[2001:db8::b:1]', '2001:db8:0:0::/64'],
    ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['fe80::2%eth1', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['1', 'unknown'],
    ['0x7f.1', 'unknown'],
    ['192.0.2.01', 'unknown'],
    ['192.0.2.1, 192.0.2.2', 'unknown'],
    ['192.0.2.1:', 'unknown'],
    ['unknown', 'unknown'],
    ['_hidden', 'unknown'],
    ['', 'unknown'],
    [undefined, 'unknown'],
  ])('%j is %s', (address, network) => expect(clientNetwork(address)).toBe(network))

  it('is the same for every address of a /64, and never throws', () => {
    fc.assert(
      fc.property(fc.ipV6(), fc.string(), (address, junk) => {
        const network = clientNetwork(address)
        expect(clientNetwork(`[${address}]:1`)).toBe(network)
        expect(typeof clientNetwork(junk)).toBe('string')
      }),
    )
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 4, maxLength: 4 }), host => {
        const address = `2001:db8:1:2:${host.map(part => part.toString(16)).join(':')}`
        expect(clientNetwork(address)).toBe('2001:db8:1:2::/64')
      }),
    )
  })
})

describe('client address', () => {
  const asked = (trustProxy: TrustProxy | undefined, forwarded?: string): string | undefined => {
    const socket = new Socket()
    Object.defineProperty(socket, 'remoteAddress', { value: '10.0.0.1' })
    const request = new IncomingMessage(socket)
    if (forwarded !== undefined) request.headers['x-forwarded-for'] = forwarded
    return clientAddress(trustProxy)(request)
  }

  it.each<[TrustProxy | undefined, string]>([
    [undefined, '10.0.0.1'],
    [false, '10.0.0.1'],
    [0, '10.0.0.1'],
    [1, '203.0.113.2'],
    [2, '198.51.100.7'],
    [9, '6.6.6.6'],
    [true, '6.6.6.6'],
    ['10.0.0.0/8', '203.0.113.2'],
    ['10.0.0.0/8, 203.0.113.0/24', '198.51.100.7'],
    [['loopback', '10.0.0.1'], '203.0.113.2'],
    [address => address === '10.0.0.1', '203.0.113.2'],
  ])('behind proxies trusted with %j is %s', (trustProxy, expected) => {
    expect(asked(trustProxy, '6.6.6.6, 198.51.100.7, 203.0.113.2')).toBe(expected)
    expect(asked(trustProxy)).toBe('10.0.0.1')
  })

  it.each([-1, 1.5, Number.NaN, '', 'nonsense', [], [1], {}, null])('refuses trustProxy %j', value => {
    const clientAddressOf: (value: never) => unknown = clientAddress
    expect(() => clientAddressOf(value as never)).toThrow(expect.objectContaining({ code: 'ERR_CONFIGURATION' }))
  })
})
