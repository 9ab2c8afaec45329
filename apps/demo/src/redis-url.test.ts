import { describe, expect, it } from '@jest/globals'
import { isRedisUrl, redisAddress, withPassword } from './redis-url.ts'

describe('a Redis address', () => {
  const one = { tls: false, username: undefined, password: undefined, db: 0 }

  it.each([
    ['redis://localhost', { ...one, nodes: [{ host: 'localhost', port: 6379 }] }],
    ['redis://[::1]:7000/3', { ...one, nodes: [{ host: '::1', port: 7000 }], db: 3 }],
    [
      'rediss://us%65r:p%40ss@cache.example:6380',
      { ...one, nodes: [{ host: 'cache.example', port: 6380 }], tls: true, username: 'user', password: 'p@ss' },
    ],
    [
      'redis://a:1,redis://b:2',
      {
        ...one,
        nodes: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
      },
    ],
    [
      'redis://:secret@a:1,b:2',
      {
        ...one,
        nodes: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
        password: 'secret',
      },
    ],
    [
      'redis+sentinel://a:26379,b/main',
      {
        ...one,
        nodes: [
          { host: 'a', port: 26_379 },
          { host: 'b', port: 26_379 },
        ],
        master: 'main',
      },
    ],
    [
      'redis+sentinel://:secret@a/main/2',
      { ...one, nodes: [{ host: 'a', port: 26_379 }], master: 'main', db: 2, password: 'secret' },
    ],
  ])('is parsed: %s', (text, address) => expect(redisAddress(text)).toEqual(address))

  it.each([
    '',
    'localhost:6379',
    'http://localhost',
    'redis://',
    'redis://a:99999',
    'redis://a/x',
    'redis://a,',
    'redis://a,rediss://b',
    'redis://a,b/1',
    'redis://%zz@a',
    'redis+sentinel://a:1',
    'redis+sentinel://a:1/main/x',
  ])('is rejected: %j', text => expect(isRedisUrl(text)).toBe(false))
})

describe('a password beside the address', () => {
  it.each([
    ['redis://redis:6379', 'redis://:p%40ss@redis:6379'],
    ['redis://ada@redis:6379/2', 'redis://ada:p%40ss@redis:6379/2'],
    ['redis://a:1,b:2', 'redis://:p%40ss@a:1,b:2'],
    ['redis+sentinel://a:26379,b/main', 'redis+sentinel://:p%40ss@a:26379,b/main'],
    ['redis://:own@redis:6379', 'redis://:own@redis:6379'],
  ])('is added to %s unless it has one', (address, expected) => {
    expect(withPassword(address, 'p@ss')).toBe(expected)
    expect(redisAddress(withPassword(address, 'p@ss'))).toBeDefined()
  })
})
