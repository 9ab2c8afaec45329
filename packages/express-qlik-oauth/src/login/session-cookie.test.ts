import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from '@jest/globals'
import { sign } from 'cookie-signature'
import { loginKey } from 'qlik-oauth/internal'
import { sessionCookie, sessionIdReader } from './session-cookie.ts'

const read = (cookie: string | undefined, secret: string | string[] = ['new-secret', 'old-secret']) =>
  sessionIdReader({ name: 'sid', secret })({ headers: { cookie } } as IncomingMessage)

describe('session cookie', () => {
  it('is __Host- and Secure on https', () =>
    expect(sessionCookie('https://app.example.com')).toEqual({
      name: '__Host-sid',
      cookie: { path: '/', httpOnly: true, sameSite: 'lax', secure: true },
    }))

  it('has a plain name on http://localhost, where browsers refuse the prefix', () =>
    expect(sessionCookie('http://localhost:3000')).toMatchObject({ name: 'sid', cookie: { secure: false } }))
})

describe('session id', () => {
  it('is read from a cookie among others', () =>
    expect(read(`a=b; sid=${encodeURIComponent(`s:${sign('the-id', 'new-secret')}`)}; c=d`)).toEqual({
      id: 'the-id',
      login: loginKey('the-id'),
      outdated: false,
    }))

  it('is accepted under an older secret, and marked', () =>
    expect(read(`sid=s:${sign('the-id', 'old-secret')}`)).toEqual({
      id: 'the-id',
      login: loginKey('the-id'),
      outdated: true,
    }))

  it.each([
    ['no cookie', undefined],
    ['another cookie', 'other=1'],
    ['no signature', 'sid=s:the-id'],
    ['a wrong signature', `sid=s:${sign('the-id', 'secret-of-somebody-else')}`],
    ['a cut signature', `sid=s:${sign('the-id', 'new-secret').slice(0, -3)}`],
    ['another id under the signature', `sid=s:${sign('the-id', 'new-secret').replace('the-id', 'an-id')}`],
    ['no prefix', `sid=${sign('the-id', 'new-secret')}`],
    ['junk', 'sid=%%%;;;='],
    ['100 kilobytes', `sid=s:${'a'.repeat(100_000)}`],
  ])('is nobody for %s', (_what, cookie) => expect(read(cookie)).toBeUndefined())
})
