import { createSecretKey } from 'node:crypto'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { serialize } from 'cookie'
import { sign } from 'cookie-signature'
import session, { type CookieOptions, MemoryStore, type SessionOptions } from 'express-session'
import fc from 'fast-check'
import { loginKey } from 'qlik-oauth/internal'
import { cookieAttributes, sessionCookie, sessionIdReader } from './session-cookie.ts'

const [newest, older] = ['the-newest-secret', 'the-older-secret']

function requestWith(cookie: string | undefined): IncomingMessage {
  const request = new IncomingMessage(new Socket())
  request.url = '/'
  if (cookie !== undefined) request.headers.cookie = cookie
  return request
}

const read = (cookie: string | undefined, secret: SessionOptions['secret'] = [newest, older]) =>
  sessionIdReader({ name: 'sid', secret })(requestWith(cookie))

describe('session cookie', () => {
  it('is __Host- and Secure on https', () =>
    expect(sessionCookie('https://app.example.com')).toEqual({
      name: '__Host-sid',
      cookie: { path: '/', httpOnly: true, sameSite: 'lax', secure: true },
    }))

  it('is sent below the path of publicUrl only, and named after it', () => {
    expect(sessionCookie('https://company.example/portal/admin/')).toEqual({
      name: '__Secure-sid-portal-admin',
      cookie: { path: '/portal/admin', httpOnly: true, sameSite: 'lax', secure: true },
    })
    expect(sessionCookie('http://localhost:3000/portal')).toMatchObject({
      name: 'sid-portal',
      cookie: { path: '/portal' },
    })
  })

  it('has no prefix on http://localhost, where browsers refuse it', () =>
    expect(sessionCookie('http://localhost:3000')).toMatchObject({ name: 'sid', cookie: { secure: false } }))
})

describe('session id', () => {
  it('is read from the cookie that `key`, the alias of `name` in express-session, names', () => {
    const options = { key: 'mysid', secret: newest }
    const cookie = `mysid=${encodeURIComponent(`s:${sign('the-id', newest)}`)}`
    expect(sessionIdReader(options)(requestWith(cookie)).map(({ id }) => id)).toEqual(['the-id'])
  })

  it('is read from a cookie among others', () =>
    expect(read(`a=b; sid=${encodeURIComponent(`s:${sign('the-id', newest)}`)}; c=d`)).toEqual([
      { id: 'the-id', login: loginKey('the-id'), outdated: false },
    ]))

  it('is outdated when an older secret signed the cookie', () =>
    expect(read(`sid=s:${sign('the-id', older)}`)).toMatchObject([{ id: 'the-id', outdated: true }]))

  it('is found behind cookies of the same name that do not verify, and once for equal cookies', () =>
    expect(
      read(`sid=garbage; sid=s:a.b; sid=s:${sign('x', newest)}; sid=s:${sign('x', older)}; sid=s:${sign('y', older)}`),
    ).toMatchObject([{ id: 'x' }, { id: 'y' }]))

  it.each([
    ['a Buffer', Buffer.from([0xff, 0xfe, ...Buffer.alloc(30, 7)])],
    ['a KeyObject', createSecretKey(Buffer.alloc(32, 7))],
    ['a typed array', new Uint8Array(32).fill(7)],
  ])('is read with %s as the secret', (_type, secret) =>
    expect(read(`sid=s:${sign('the-id', secret)}`, secret)).toMatchObject([{ id: 'the-id' }]),
  )

  it.each([
    ['no cookie', undefined],
    ['another cookie', 'other=1'],
    ['no signature', 'sid=s:the-id'],
    ['a wrong signature', `sid=s:${sign('the-id', 'another-secret')}`],
    ['a cut signature', `sid=s:${sign('the-id', newest).slice(0, -3)}`],
    ['another id under the signature', `sid=s:${sign('the-id', newest).replace('the-id', 'an-id')}`],
    ['no prefix', `sid=${sign('the-id', newest)}`],
    ['an empty id', `sid=s:${sign('', newest)}`],
    ['junk', 'sid=%%%;;;='],
    ['100 kilobytes', `sid=s:${'a'.repeat(100_000)}`],
  ])('is missing for %s', (_what, cookie) => expect(read(cookie)).toEqual([]))

  it('is the one that express-session reads from the same Cookie header', async () => {
    const id = fc.stringMatching(/^[\w.%-]{1,40}$/)
    const value = fc.oneof(
      fc.tuple(id, fc.constantFrom(newest, older, 'another-secret')).map(([text, secret]) => `s:${sign(text, secret)}`),
      fc.string({ maxLength: 10 }),
      fc.constantFrom('', 's:', 's:.', '"', '%', '%E0%A4%A'),
    )
    const written = fc.tuple(value, fc.constantFrom('plain', 'encoded', 'quoted', 'spaced')).map(([text, style]) => {
      if (style === 'encoded') return encodeURIComponent(text)
      return style === 'quoted' ? `"${text}"` : style === 'spaced' ? ` \t${text} \u00a0` : text
    })
    const name = fc.constantFrom('sid', 'sid', ' sid ', '\tsid', '\u00a0sid', 'SID', 'xsid', 'sidx', 'other', '')
    const pair = fc.oneof(
      fc.tuple(name, written).map(([key, text]) => `${key}=${text}`),
      fc.constantFrom('sid', '=', 'sid==', ' '),
    )
    const header = fc.array(pair, { maxLength: 5 }).map(pairs => pairs.join(';'))

    const reader = sessionIdReader({ name: 'sid', secret: [newest, older] })
    await fc.assert(
      fc.asyncProperty(header, async cookie => {
        const theirs = await expressSessionId(cookie)
        const [ours] = reader(requestWith(cookie))
        const isFirstOfSeveral = cookie.split(';').filter(text => text.split('=', 1)[0]?.trim() === 'sid').length > 1
        if (theirs !== undefined || !isFirstOfSeveral) expect(ours?.id).toBe(theirs)
      }),
      { numRuns: 1000 },
    )
  })
})

/** The id that express-session takes from a Cookie header; `undefined` when it makes a new one. */
async function expressSessionId(cookie: string): Promise<string | undefined> {
  const genid = () => 'new'
  const middleware = session({
    name: 'sid',
    secret: [newest, older],
    store: new MemoryStore(),
    resave: false,
    saveUninitialized: false,
    genid,
  })
  const request = requestWith(cookie)
  let taken: string | undefined
  // The id that express-session read, before it looks for the session and makes a new one.
  Object.defineProperty(request, 'sessionID', {
    get: () => taken,
    set: (value: string | undefined) => {
      if (value !== 'new') taken = value
    },
  })
  await new Promise<void>((resolve, reject) =>
    middleware(request as never, new ServerResponse(request) as never, (error?: unknown) =>
      error ? reject(error) : resolve(),
    ),
  )
  return taken || undefined
}

/** The cookie that express-session sends for a new session. */
function expressSessionCookie(cookie: CookieOptions, isSecure: boolean): string | undefined {
  const request = requestWith(undefined)
  request.url = '/portal/page'
  Object.assign(request.socket, { encrypted: isSecure })
  const response = new ServerResponse(request)
  const options = { secret: newest, store: new MemoryStore(), resave: false, saveUninitialized: true, cookie }
  session({ ...options, name: 'sid' })(request as never, response as never, () => {})
  response.writeHead(200)
  return [response.getHeader('set-cookie') ?? []].flat().map(String)[0]
}

/** All but the value, and times to a few seconds. */
function attributesOf(cookie: string): string[] {
  return cookie
    .split('; ')
    .slice(1)
    .map(text => text.replace(/^(Expires=.*:\d)\d GMT$/, '$1'))
    .sort()
}

describe('attributes of a session cookie sent beside express-session', () => {
  const attributes = (options: object, isSecure: boolean) => serialize('sid', 'x', cookieAttributes(options, isSecure))

  it.each([
    [{}, true, 'sid=x; Path=/; HttpOnly'],
    [{ secure: true, httpOnly: false, path: '/a' }, true, 'sid=x; Path=/a; Secure'],
    [{ secure: 'auto', sameSite: 'auto' }, true, 'sid=x; Path=/; HttpOnly; Secure; SameSite=None'],
    [{ secure: 'auto', sameSite: 'auto' }, false, 'sid=x; Path=/; HttpOnly; SameSite=Lax'],
    [
      { secure: true, partitioned: true, priority: 'high', sameSite: 'none', domain: 'example.com' },
      true,
      'sid=x; Domain=example.com; Path=/; HttpOnly; Secure; Partitioned; Priority=High; SameSite=None',
    ],
  ])('of %j, over https: %j, are %s', (options, isSecure, expected) =>
    expect(attributes(options, isSecure)).toBe(expected),
  )

  it('are those of express-session itself', () => {
    const options = fc.record(
      {
        path: fc.constantFrom('/', '/portal'),
        httpOnly: fc.boolean(),
        domain: fc.constantFrom('example.com', '.example.com'),
        secure: fc.constantFrom<boolean | 'auto'>(true, false, 'auto'),
        sameSite: fc.constantFrom<unknown>(true, false, 'lax', 'Lax', 'strict', 'Strict', 'none', 'None', 'auto'),
        priority: fc.constantFrom('low', 'medium', 'high', 'High'),
        partitioned: fc.boolean(),
        maxAge: fc.constantFrom(60_000, 3_600_000, undefined),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(options, fc.boolean(), (cookie, isSecure) => {
        const theirs = expressSessionCookie(cookie as CookieOptions, isSecure)
        const ours = cookieAttributes(cookie as CookieOptions, isSecure)
        // express-session sends no Secure cookie over http, and neither do we.
        if (theirs === undefined) expect([ours.secure, isSecure]).toEqual([true, false])
        else expect(attributesOf(serialize('sid', 'x', ours))).toEqual(attributesOf(theirs))
      }),
    )
  })

  it('have the time limit of maxAge', () => {
    const expires = /Expires=([^;]+)/.exec(attributes({ maxAge: 60_000 }, true))?.[1] ?? ''
    expect(Math.abs(Date.parse(expires) - Date.now() - 60_000)).toBeLessThan(2000)
  })
})
