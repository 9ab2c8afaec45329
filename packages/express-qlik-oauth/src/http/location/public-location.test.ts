import { describe, expect, it } from '@jest/globals'
import { publicLocation } from './public-location.ts'

describe('publicUrl', () => {
  it.each([
    ['https://app.example.com', 'https://app.example.com'],
    ['https://app.example.com/', 'https://app.example.com'],
    ['https://company.example/portal', 'https://company.example/portal'],
    ['https://company.example/portal/', 'https://company.example/portal'],
    ['https://company.example/a/b.c~d-e', 'https://company.example/a/b.c~d-e'],
    ['http://localhost:3000', 'http://localhost:3000'],
    ['http://127.0.0.1:3000/portal', 'http://127.0.0.1:3000/portal'],
  ])('accepts %s', (url, href) => expect(publicLocation(url).href).toBe(href))
  it.each([
    'http://app.example.com',
    'https://app.example.com/portal?a=1',
    'https://app.example.com/portal#a',
    'https://app.example.com//portal',
    'https://app.example.com/p%20q',
    'https://app.example.com/portal//',
    'https://a@app.example.com',
    'app',
    'ftp://x',
    7,
  ])('refuses %p', url => expect(() => publicLocation(url)).toThrow(/^publicUrl must be the address/))
})

describe('a path of the application', () => {
  const location = publicLocation('https://company.example/portal')

  it('lies below the base path', () => {
    expect(location.url('/auth/login')).toBe('https://company.example/portal/auth/login')
    expect(location.publicPath('/start')).toBe('/portal/start')
  })
  it.each([
    ['/portal/sales?a=/portal', '/sales?a=/portal'],
    ['/sales', '/sales'],
    ['/portal', '/'],
    ['/portal/', '/'],
    ['/portal?a=1', '/?a=1'],
    ['/portal#a', '/#a'],
    ['/portals', '/portals'],
    ['/PORTAL/a', '/PORTAL/a'],
  ])('is the same with and without it: %s', (path, own) => expect(location.ownPath(path)).toBe(own))
})
