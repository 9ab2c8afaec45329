import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { checkedFrames } from '../../src/login/frames/frame-options.ts'
import { type Application, type ApplicationOptions, startApplication } from '../support/application.ts'
import { type Browser, browser } from '../support/browser.ts'

const publicUrl = 'https://app.example'
const portal = 'https://portal.example'
const cookie = { secure: true, sameSite: 'none', partitioned: true } as const
let tenant: SimulatedTenant
const open: Application[] = []

beforeAll(async () => {
  tenant = await createTenant()
})
afterEach(() => Promise.all(open.splice(0).map(one => one.close())))
afterAll(() => tenant.close())

/** An application behind a balancer that ends TLS. */
async function start(options: ApplicationOptions = {}): Promise<Application> {
  const application = await startApplication(tenant, {
    publicUrl,
    trustProxy: 1,
    loginRateLimit: 0,
    session: { cookie },
    frames: { ancestors: [portal] },
    ...options,
  })
  open.push(navigable(application))
  return application
}

/** The fetch of Node sends `Sec-Fetch-Mode: cors` whatever it is told. */
function navigable(application: Application): Application {
  application.server.prependListener('request', ({ headers }) => {
    headers['sec-fetch-mode'] = 'navigate'
  })
  return application
}

const navigation = { 'x-forwarded-proto': 'https' }
const inFrame = { ...navigation, 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'cross-site' }
const inWindow = { ...navigation, 'sec-fetch-dest': 'document', 'sec-fetch-site': 'same-origin' }

/** Cookies of a frame and of a window are separate jars. */
interface Frame {
  readonly jar: Browser
  /** Path of the login in a window of its own. */
  readonly link: string
  readonly window: Browser
}

async function openFrame({ origin }: Application, jar = browser()): Promise<Frame> {
  const page = await jar.get(`${origin}/auth/login?returnTo=/private/7`, inFrame)
  const [, query = ''] = /<a role="button" href="([^"]+)"/.exec(await page.text()) ?? []
  return { jar, window: browser(), link: `/auth/login${query.replaceAll('&#38;', '&')}` }
}

/** Path of the callback in the window. */
async function logInAtTenant({ origin }: Application, { link, window: own }: Frame, window = own, user = 'ada') {
  const login = await window.get(origin + link, inWindow)
  const callback = new URL(await tenant.authorize(login.headers.get('location') ?? '', user))
  return callback.pathname + callback.search
}

async function handoverCode({ origin }: Application, callback: string, window: Browser): Promise<string> {
  const page = await window.get(origin + callback, { ...inWindow, 'sec-fetch-site': 'cross-site' })
  return /<code>([^<]+)</.exec(await page.text())?.[1] ?? ''
}

const redeem = ({ origin }: Application, { jar }: Frame, code: string): Promise<Response> =>
  jar.get(`${origin}/auth/login?returnTo=/private/7&handover=${code}`, inFrame)

const follow = ({ origin }: Application, { jar }: Frame, response: Response): Promise<Response> =>
  jar.get((response.headers.get('location') ?? '').replace(publicUrl, origin), inFrame)

describe('the page of a frame', () => {
  it('lets the ancestors embed it, writes nothing, and gets a cookie with the attributes of the session', async () => {
    const application = await start()
    const guarded = await browser().get(`${application.origin}/private/7`, inFrame)
    expect(guarded.headers.get('location')).toBe(`${publicUrl}/auth/login?returnTo=%2Fprivate%2F7`)
    const page = await browser().get(`${application.origin}/auth/login`, inFrame)
    expect(page.status).toBe(200)
    expect(page.headers.get('content-security-policy')).toContain(`frame-ancestors 'self' ${portal}`)
    expect(page.headers.get('cache-control')).toBe('no-store')
    expect(page.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^__Host-qlik-login-.*; HttpOnly; Secure; Partitioned; SameSite=None$/),
    ])
  })

  it('does not exist without the option', async () => {
    const application = await startApplication(tenant, { publicUrl, trustProxy: 1, session: { cookie } })
    open.push(navigable(application))
    const login = await browser().get(`${application.origin}/auth/login?frame=${'a'.repeat(43)}`, inFrame)
    expect([login.status, login.headers.get('location')?.startsWith(tenant.origin)]).toEqual([302, true])
    expect(login.headers.getSetCookie()).toHaveLength(1)
  })

  it('keeps a guarded page embeddable, unless the application has a policy of its own', async () => {
    const application = await start({
      extend: (app, qlik) => {
        const own = 'frame-ancestors https://other.example'
        app.get('/own', (_request, response, next) => next(response.set('content-security-policy', own) && undefined))
        app.get('/own', qlik.requireLogin(), (_request, response) => void response.send('own'))
      },
    })
    const frame = await openFrame(application)
    const code = await handoverCode(application, await logInAtTenant(application, frame), frame.window)
    await follow(application, frame, await redeem(application, frame, code))
    const policy = async (path: string) =>
      (await frame.jar.get(application.origin + path, inFrame)).headers.get('content-security-policy')
    expect(await policy('/private')).toBe(`frame-ancestors 'self' ${portal}`)
    expect(await policy('/own')).toBe('frame-ancestors https://other.example')
  })
})

describe('a login for a frame', () => {
  it('gives the frame a session and the window none', async () => {
    const application = await start()
    const frame = await openFrame(application)
    const window = browser()
    const callback = await logInAtTenant(application, frame, window)
    const page = await window.get(application.origin + callback, { ...inWindow, 'sec-fetch-site': 'cross-site' })
    expect(page.headers.get('cross-origin-opener-policy')).toBe('unsafe-none')
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    const html = await page.text()
    expect(html).not.toContain(new URL(callback, publicUrl).searchParams.get('code'))
    expect([...window.cookies(application.origin).keys()]).toEqual([expect.stringMatching(/^__Host-qlik-login-/)])
    expect(application.named('login')).toEqual([])

    const code = /<code>([^<]+)</.exec(html)?.[1] ?? ''
    const finished = await follow(application, frame, await redeem(application, frame, code))
    expect(finished.headers.get('location')).toBe('/private/7')
    expect((await frame.jar.get(`${application.origin}/private`, inFrame)).status).toBe(200)
    expect(application.named('login')).toHaveLength(1)
  })

  it('works below a base path with other routes', async () => {
    const base = `${publicUrl}/portal`
    const routes = { login: '/qlik-login', callback: '/qlik-back' }
    const session = { name: '__Secure-sid', cookie: { ...cookie, path: '/portal' } }
    const redirectUris = [`${base}/qlik-back`]
    tenant.registerClient({
      clientId: 'portal',
      clientSecret: 'a-secret',
      appType: 'web',
      redirectUris,
      allowedScopes: ['user_default', 'offline_access'],
    } as never)
    const application = await start({
      publicUrl: base,
      routes,
      session,
      clientId: 'portal',
      clientSecret: 'a-secret',
    })
    const [jar, window] = [browser(), browser()]
    const at = (url: string | null) => (url ?? '').replace(publicUrl, application.origin)
    const guarded = await jar.get(`${application.origin}/private/7`, inFrame)
    const login = guarded.headers.get('location')
    expect(login).toBe(`${base}/qlik-login?returnTo=%2Fportal%2Fprivate%2F7`)
    const page = await (await jar.get(at(login), inFrame)).text()
    const [, link = ''] = /<a role="button" href="([^"]+)"/.exec(page) ?? []
    const started = await window.get(at(`${base}/qlik-login${link.replaceAll('&#38;', '&')}`), inWindow)
    const callback = at(await tenant.authorize(started.headers.get('location') ?? '', 'ada'))
    const code = /<code>([^<]+)</.exec(await (await window.get(callback, inWindow)).text())?.[1]
    const redeemed = await jar.get(`${at(login)}&handover=${code}`, inFrame)
    const finished = await jar.get(at(redeemed.headers.get('location')), inFrame)
    expect(finished.headers.get('location')).toBe('/portal/private/7')
    expect(finished.headers.getSetCookie().join()).toMatch(/__Secure-sid=.*Path=\/portal/)
  })

  it('uses a code up once, also for two requests at once', async () => {
    const application = await start()
    const frame = await openFrame(application)
    const code = await handoverCode(application, await logInAtTenant(application, frame), frame.window)
    const responses = await Promise.all([1, 2, 3].map(() => redeem(application, frame, code)))
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 200, 302])
    expect((await redeem(application, frame, code)).status).toBe(200)
  })

  it('refuses a code that was intercepted: it belongs to the cookie of one frame', async () => {
    const application = await start()
    const [victim, attacker] = [await openFrame(application), await openFrame(application)]
    const code = await handoverCode(application, await logInAtTenant(application, victim), victim.window)
    expect((await redeem(application, attacker, code)).status).toBe(200)
    expect(application.named('login')).toEqual([])
    expect((await redeem(application, victim, code)).status).toBe(302)
  })

  it('refuses the code or authorization response of an attacker in the frame of a victim', async () => {
    const application = await start()
    const [victim, attacker] = [await openFrame(application), await openFrame(application)]
    const callback = await logInAtTenant(application, attacker, attacker.window, 'ben')
    const injected = await victim.jar.get(application.origin + callback, inFrame)
    const code = await handoverCode(application, callback, attacker.window)
    expect([injected.status, (await redeem(application, victim, code)).status]).toEqual([400, 200])
    expect(application.named('login')).toEqual([])
  })

  it('refuses a window that a link of another site opened, at the login and at the callback', async () => {
    const application = await start()
    const attacker = await openFrame(application)
    const link = await browser().get(application.origin + attacker.link, {
      ...inWindow,
      'sec-fetch-site': 'cross-site',
    })
    expect([link.status, link.headers.getSetCookie()]).toEqual([403, []])

    // The attacker's own login leads to the address of the tenant, which the victim opens.
    const callback = await logInAtTenant(application, attacker)
    const victim = browser()
    await victim.get(`${application.origin}/auth/login`, inWindow)
    expect(await handoverCode(application, callback, victim)).toBe('')
    expect((await redeem(application, attacker, 'AAAA-BBBB-CCCC')).status).toBe(200)
  })

  it('of two frames at once ends in each frame with its own user', async () => {
    const application = await start()
    const frames = await Promise.all([openFrame(application), openFrame(application)])
    const users = ['ada', 'ben']
    const seen = await Promise.all(
      frames.map(async (frame, index) => {
        const callback = await logInAtTenant(application, frame, frame.window, users[index])
        await follow(
          application,
          frame,
          await redeem(application, frame, await handoverCode(application, callback, frame.window)),
        )
        return await (await frame.jar.get(`${application.origin}/private`, inFrame)).json()
      }),
    )
    expect(seen).toMatchObject(users.map(id => ({ user: { id } })))
  })

  it('of two frames in one page keeps the login of the first', async () => {
    const application = await start()
    const jar = browser()
    const [first, second] = [await openFrame(application, jar), await openFrame(application, jar)]
    for (const frame of [first, second]) {
      const code = await handoverCode(application, await logInAtTenant(application, frame), frame.window)
      const redeemed = await redeem(application, frame, code)
      if (frame === first) await follow(application, frame, redeemed)
      else expect(redeemed.headers.get('location')).toBe(`${publicUrl}/private/7`)
    }
    expect([application.named('login').length, application.named('loginEnded')]).toEqual([1, []])
  })

  it('ends a state after a few reloads of the window', async () => {
    const application = await start()
    const frame = await openFrame(application)
    const callback = await logInAtTenant(application, frame)
    const codes: string[] = []
    for (let times = 0; times < 7; times++) codes.push(await handoverCode(application, callback, frame.window))
    expect(codes.filter(code => code !== '')).toHaveLength(5)
  })

  it('counts guesses of codes in the rate limit of logins', async () => {
    const application = await start({ loginRateLimit: 3 })
    const frame = await openFrame(application)
    const statuses: number[] = []
    for (let times = 0; times < 5; times++) statuses.push((await redeem(application, frame, 'AAAA-BBBB-CCCC')).status)
    expect(statuses).toEqual([200, 200, 200, 429, 429])
  })

  it('shows the page of the frame again when its transaction is gone', async () => {
    const application = await start()
    const frame = await openFrame(application)
    const callback = await logInAtTenant(application, frame)
    expect((await frame.jar.get(application.origin + callback, inFrame)).headers.get('location')).toBe('/private/7')
    frame.jar.cookies(application.origin).delete('__Host-sid')
    const again = await frame.jar.get(application.origin + callback, inFrame)
    expect(again.headers.get('location')).toBe(`${publicUrl}/auth/login?returnTo=%2Fprivate%2F7`)
  })
})

describe('the option frames', () => {
  it.each([
    [{ frames: true }, /frames must be an object with ancestors/],
    [{ frames: {} }, /frames\.ancestors must be a list of origins/],
    [{ frames: { ancestors: [] } }, /frames\.ancestors must be a list of origins/],
    [{ frames: { ancestors: ['portal.example'] } }, /frames\.ancestors must be origins/],
    [{ frames: { ancestors: ['https://portal.example/'] } }, /frames\.ancestors must be origins/],
    [{ frames: { ancestors: ["https://portal.example 'self'"] } }, /frames\.ancestors must be origins/],
    [{ frames: { ancestors: ['*'] } }, /frames\.ancestors must be origins/],
    [{ frames: { ancestors: ['https://*'] } }, /frames\.ancestors must be origins/],
    [{ frames: { ancestors: ['https://*.example'] } }, /frames\.ancestors must be origins/],
    [{ frames: { ancestors: ['https://*.*.example'] } }, /frames\.ancestors must be origins/],
    [{ frames: { ancestors: ['https://portal.example;sandbox'] } }, /frames\.ancestors must be origins/],
    [{ frames: { ancestors: ['http://portal.example'] } }, /frames\.ancestors must be origins/],
    [{ frames: { ancestors: [portal], allow: 1 } }, /allow/],
    [{ session: { cookie: { secure: true, sameSite: 'lax' } } }, /needs session\.cookie with/],
    [{ session: { cookie: { secure: true, sameSite: 'none' } } }, /partitioned: undefined/],
  ])('refuses %j', (options, message) => {
    const { frames = { ancestors: [portal] }, session = { cookie } } = options as { frames?: object; session?: object }
    expect(() => checkedFrames(frames, { secret: 'any', ...session })).toThrow(message)
  })

  it('accepts subdomains, and a cookie that is a function', async () => {
    await start({ frames: { ancestors: ['https://*.portal.example'] }, session: { cookie: () => cookie } })
  })
})
