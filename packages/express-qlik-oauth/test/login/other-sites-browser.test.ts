import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import express, { type Express } from 'express'
import session, { MemoryStore, type SessionOptions } from 'express-session'
import helmet from 'helmet'
import { memoryLoginStore } from 'qlik-oauth'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type Browser, type BrowserContext, colours, launchChromium, type Page } from 'test-support/chromium'
import { startAll } from 'test-support/start-all'
import { type FrameOptions, type QlikAuth, qlikAuth } from '../../src/index.ts'
import { blockThirdPartyCookies, type HttpsSite, httpsSite, resolveExamples } from '../support/https-site.ts'

const [appId, objectId] = ['5d6f1c1e-2b0a-4c7e-9a51-0c8e7f3b1955', 'bar-life-expectancy']
let tenant: SimulatedTenant
let chromium: Browser
const open: { close(): Promise<unknown> }[] = []

beforeAll(async () => {
  ;[tenant, chromium] = await startAll(createTenant(), launchChromium([...resolveExamples, ...blockThirdPartyCookies]))
})
afterEach(() => Promise.all(open.splice(0).map(one => one.close())))
afterAll(async () => {
  await chromium?.close()
  await tenant?.close()
})

interface Site {
  readonly origin: string
  readonly qlik: QlikAuth
  readonly errors: string[]
  readonly logins: () => number
}

/** An application at https://app.example with helmet, whose session cookie has these attributes. */
async function application(
  cookie: SessionOptions['cookie'],
  frames?: (portal: string) => FrameOptions,
  portal = '',
): Promise<Site> {
  const site = await httpsSite()
  const origin = `https://app.example:${site.port}`
  const clientId = `app-${site.port}`
  tenant.registerClient({
    clientId,
    clientSecret: 'a-secret',
    appType: 'web',
    consentMethod: 'trusted',
    redirectUris: [`${origin}/auth/callback`],
    allowedScopes: ['user_default', 'offline_access'],
  } as never)
  const sessions: SessionOptions = {
    name: '__Host-sid',
    secret: 'a-session-secret-for-tests',
    store: new MemoryStore(),
    resave: false,
    saveUninitialized: false,
    cookie: { secure: true, httpOnly: true, path: '/', ...cookie },
  }
  const qlik = qlikAuth({
    tenant: tenant.origin,
    clientId,
    clientSecret: 'a-secret',
    publicUrl: origin,
    session: sessions,
    store: memoryLoginStore(),
    ...(frames === undefined ? {} : { frames: frames(portal) }),
  })
  let logins = 0
  qlik.on('login', () => {
    logins += 1
  })
  const errors: string[] = []
  const app = express()
  app.use(
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'self'", "'unsafe-inline'", 'data:', `wss://app.example:${site.port}`],
          frameAncestors: ["'self'", portal].filter(Boolean),
        },
      },
    }),
  )
  app.use('/embed', express.static(dirname(fileURLToPath(import.meta.resolve('@qlik/embed-web-components')))))
  app.use(session(sessions))
  app.use(qlik.routes())
  pages(app, qlik, origin)
  app.use(((error, _request, response, _next) => {
    errors.push(error.code ?? error.message)
    response.status(error.status ?? 500).send(`error ${error.code}`)
  }) as express.ErrorRequestHandler)
  site.server.on('request', qlik.handler(app))
  qlik.attach(site.server)
  open.push({ close: () => Promise.all([qlik.close(), site.close()]) })
  return { origin, qlik, errors, logins: () => logins }
}

function pages(app: Express, qlik: QlikAuth, origin: string): void {
  app.get('/chart', qlik.requireLogin(), (request, response) => {
    response.send(`<!doctype html><meta charset="utf-8"><title>Chart</title><link rel="icon" href="data:,">
<h1>${request.qlik?.user.id}</h1><form method="post" action="/auth/logout"><button>Log out</button></form>
<script src="/embed/index.js" data-host="${origin}/qlik" data-auth-type="none"></script>
<div style="height:20rem"><qlik-embed ui="analytics/chart" app-id="${appId}" object-id="${objectId}"></qlik-embed></div>`)
  })
}

/** A page of another site. */
async function portal(html: (query: URLSearchParams) => string, headers: Record<string, string> = {}): Promise<string> {
  const site: HttpsSite = await httpsSite()
  site.server.on('request', (request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'https://portal.example')
    response.writeHead(200, { 'content-type': 'text/html', ...headers }).end(`<!doctype html>${html(searchParams)}`)
  })
  open.push(site)
  return `https://portal.example:${site.port}`
}

async function visitor(): Promise<BrowserContext> {
  const context = await chromium.newContext({ ignoreHTTPSErrors: true })
  open.push(context)
  return context
}

async function logInAtTenant(page: Page, user = 'Ada'): Promise<void> {
  await page
    .getByRole('button', { name: new RegExp(user) })
    .first()
    .click()
}

describe('a SameSite=Strict session cookie', () => {
  it('survives the way through the tenant, and deep links of other sites', async () => {
    const { origin, errors, logins } = await application({ sameSite: 'strict' })
    const links = await portal(() => `<a href="${origin}/chart?a=1#part">Chart</a>`)
    const page = await (await visitor()).newPage()
    await page.goto(links)
    await page.getByRole('link').click()
    await logInAtTenant(page)
    await page.getByRole('heading', { name: /./ }).waitFor()
    expect([logins(), errors]).toEqual([1, []])
    expect(page.url()).toBe(`${origin}/chart?a=1`)

    await page.goto(links)
    await page.getByRole('link').click()
    await page.getByRole('heading', { name: /./ }).waitFor()
    expect(page.url()).toBe(`${origin}/chart?a=1#part`)
    expect([logins(), errors]).toEqual([1, []])
  })
})

describe('in a frame of another site', () => {
  const partitioned = { sameSite: 'none', partitioned: true } as const

  /** A portal with two frames of one application, which accepts the portal unless told otherwise. */
  async function embedded(headers: Record<string, string> = {}, ancestor?: string) {
    const embedding = { origin: '' }
    const frame = () => `<iframe src="${embedding.origin}/chart" width="800" height="400"></iframe>`
    const top = await portal(() => frame() + frame(), headers)
    const site = await application(partitioned, own => ({ ancestors: [ancestor ?? own] }), top)
    embedding.origin = site.origin
    const context = await visitor()
    const page = await context.newPage()
    await page.goto(top)
    const [first, second] = [page.frameLocator('iframe >> nth=0'), page.frameLocator('iframe >> nth=1')]
    const openWindow = async (from: typeof first): Promise<Page> => {
      const opened = context.waitForEvent('page')
      await from.getByRole('button', { name: 'Log in' }).click()
      return await opened
    }
    return { ...site, page, first, second, openWindow }
  }

  it('a login in a window of its own gives the frame a session, with charts', async () => {
    const { origin, errors, logins, page, first, second, openWindow } = await embedded()
    const popup = await openWindow(first)
    await logInAtTenant(popup)
    await first.locator('qlik-embed svg, qlik-embed canvas').first().waitFor()
    expect(await colours(first.locator('div').first())).toBeGreaterThan(3)
    expect([logins(), errors, popup.isClosed()]).toEqual([1, [], true])

    // The other frame has the same cookies: it takes over the login instead of replacing it.
    await openWindow(second)
    await second.getByRole('heading', { name: 'ada' }).waitFor()
    expect([logins(), errors]).toEqual([1, []])

    await first.getByRole('button', { name: 'Log out' }).click()
    await page.reload()
    await first.getByRole('button', { name: 'Log in' }).waitFor()
    // The window has kept no login.
    await page.goto(`${origin}/chart`)
    await page.getByRole('heading', { name: 'ada' }).waitFor()
    expect([logins(), errors]).toEqual([2, []])
  })

  it('the user carries a code over when the embedding page has the Cross-Origin-Opener-Policy of helmet', async () => {
    const { logins, first, openWindow } = await embedded({ 'cross-origin-opener-policy': 'same-origin' })
    const popup = await openWindow(first)
    await logInAtTenant(popup)
    const code = (await popup.locator('code').textContent()) ?? ''
    expect(logins()).toBe(0)
    await first.getByLabel('Code').fill(code.toLowerCase())
    await first.getByRole('button', { name: 'Continue' }).click()
    await first.getByRole('heading', { name: 'ada' }).waitFor()
    expect(logins()).toBe(1)
  })

  it('a site that is not among the ancestors is refused', async () => {
    const { page } = await embedded({}, 'https://another.example')
    const frame = page.frames()[1]
    await expect(frame?.locator('a').count()).resolves.toBe(0)
    expect(frame?.url()).toMatch(/^chrome-error:/)
  })
})
