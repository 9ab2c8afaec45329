import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { type Application, startApplication } from '../support/application.ts'
import { type Browser, browser } from '../support/browser.ts'

let tenant: SimulatedTenant
const open: Application[] = []

beforeAll(async () => {
  tenant = await createTenant()
})
afterEach(() => Promise.all(open.splice(0).map(one => one.close())))
afterAll(() => tenant.close())

async function start(sameSite: boolean | 'strict' | 'lax' | 'Strict' = 'strict'): Promise<Application> {
  const application = await startApplication(tenant, { session: { cookie: { sameSite: sameSite as 'strict' } } })
  // The fetch of Node sends `Sec-Fetch-Mode: cors` whatever it is told.
  application.server.prependListener('request', ({ headers }) => {
    headers['sec-fetch-mode'] = 'navigate'
  })
  open.push(application)
  return application
}

const from = (site: string) => ({ 'sec-fetch-dest': 'document', 'sec-fetch-site': site })
const codes = () => tenant.tokenRequests('authorization_code').length

async function callbackUrl(tab: Browser, { origin }: Application): Promise<string> {
  const login = await tab.get(`${origin}/auth/login?returnTo=/private/7`, from('none'))
  return await tenant.authorize(login.headers.get('location') ?? '', 'ada')
}

/** Where the page leads. */
async function next(response: Response): Promise<string> {
  const html = await response.text()
  const [, href = ''] = /<a href="([^"]+)"/.exec(html) ?? []
  expect(html).toContain(`<noscript><meta http-equiv="refresh" content="0;url=${href}"></noscript>`)
  return new URL(href.replaceAll('&#38;', '&'), response.url).href
}

describe.each(['strict', 'Strict', true] as const)('with SameSite %j', sameSite => {
  it('the callback is repeated from a page of the application before anything of it is used up', async () => {
    const application = await start(sameSite)
    const tab = browser()
    const callback = await callbackUrl(tab, application)
    const before = codes()
    const pages = await Promise.all([1, 2].map(() => tab.get(callback, from('cross-site'))))
    expect([codes(), application.named('denied')]).toEqual([before, []])
    for (const page of pages) {
      expect([page.status, page.headers.getSetCookie()]).toEqual([200, []])
      expect(page.headers.get('referrer-policy')).toBe('no-referrer')
      expect(page.headers.get('cache-control')).toBe('no-store')
      expect(page.headers.get('content-security-policy')).toMatch(
        /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; .*frame-ancestors 'none'$/,
      )
    }
    const [first] = pages
    const finished = await tab.get(await next(first as Response), from('same-origin'))
    expect([finished.status, finished.headers.get('location'), codes()]).toEqual([302, '/private/7', before + 1])
  })
})

describe('with SameSite=Strict', () => {
  it('the callback is repeated once only, also in a browser without Sec-Fetch-Site', async () => {
    const application = await start()
    const tab = browser()
    const page = await tab.get(await callbackUrl(tab, application))
    expect((await tab.get(await next(page))).headers.get('location')).toBe('/private/7')
  })

  it('a deep link of another site comes back without another login', async () => {
    const application = await start()
    const tab = browser()
    await tab.get(await callbackUrl(tab, application), from('same-origin'))
    const transactions = (await tab.get(`${application.origin}/auth/login`, from('none'))).headers.getSetCookie().length
    expect(transactions).toBe(1)

    // The browser withholds the cookie.
    const link = await browser().get(`${application.origin}/private/9?a=1&b="<`, from('cross-site'))
    const page = await browser().get(link.headers.get('location') ?? '', from('cross-site'))
    const back = await tab.get(await next(page), from('same-origin'))
    expect(back.headers.get('location')).toBe(`${application.origin}/private/9?a=1&b=%22%3C`)
    const evil = await tab.get(
      `${application.origin}/auth/login?repeated=1&returnTo=//evil.example`,
      from('cross-site'),
    )
    expect(evil.headers.get('location')).toBe(`${application.origin}/`)
  })

  it('a link of another site does not reach the tenant by way of the login', async () => {
    const application = await start()
    const tab = browser()
    await tab.get(await callbackUrl(tab, application), from('same-origin'))
    const link = `${application.origin}/auth/login?returnTo=/qlik/api/v1/items`
    const back = await tab.get(await next(await browser().get(link, from('cross-site'))), from('same-origin'))
    expect(back.headers.get('location')).toBe(`${application.origin}/`)
  })

  it('a user who is not logged in goes on to the tenant', async () => {
    const application = await start()
    const tab = browser()
    const page = await tab.get(`${application.origin}/auth/login?returnTo=/private/9`, from('cross-site'))
    expect(page.headers.getSetCookie()).toEqual([])
    const login = await tab.get(await next(page), from('same-origin'))
    expect(login.headers.get('location')).toContain(tenant.origin)
  })

  it.each(['same-origin', 'same-site'])('a %s navigation is not repeated', async site => {
    const application = await start()
    const login = await browser().get(`${application.origin}/auth/login`, from(site))
    expect(login.status).toBe(302)
  })
})

it.each(['lax', false] as const)('with SameSite %j nothing is repeated', async sameSite => {
  const application = await start(sameSite)
  const tab = browser()
  const callback = await callbackUrl(tab, application)
  expect((await tab.get(callback, from('cross-site'))).headers.get('location')).toBe('/private/7')
})
