import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { SimulatedTenant } from 'qlik-tenant-simulator'
import { colours, launchChromium, problemsOf } from 'test-support/chromium'
import { startAll } from 'test-support/start-all'
import { type DemoAtTenant, startDemoAtTenant } from './support/demo-at-tenant.ts'
import type { DemoProcess } from './support/demo-process.ts'

let setting: DemoAtTenant
let tenant: SimulatedTenant
let demo: DemoProcess
let browser: Browser
let visit: BrowserContext
let page: Page
const problems: (readonly string[])[] = []

beforeAll(async () => {
  ;[setting, browser] = await startAll(startDemoAtTenant(), launchChromium())
  ;({ tenant, demo } = setting)
  ;({ visit, page } = await open({ viewport: { width: 1280, height: 1000 } }))
})
afterAll(async () => {
  await browser?.close()
  await setting?.close()
})

describe('a user', () => {
  it('logs in at the tenant, consents, and sees the list of apps', async () => {
    await page.goto(demo.origin)
    await page.getByRole('link', { name: 'Log in with Qlik Cloud' }).first().click()
    await page.getByRole('button', { name: /Ada/ }).click()
    await page.getByRole('button', { name: 'Allow' }).click()
    await page.waitForURL(`${demo.origin}/apps`)
    await page.getByRole('link', { name: 'Gapminder' }).waitFor()
  })

  it('pages through the list and searches it', async () => {
    const first = await page.locator('.app-list').textContent()
    await page.getByRole('button', { name: 'Next' }).click()
    await page.waitForFunction(before => document.querySelector('.app-list')?.textContent !== before, first)
    await page.getByRole('button', { name: 'Previous' }).click()
    await page.getByRole('link', { name: 'Gapminder' }).waitFor()
    await page.getByRole('searchbox').fill('South Asia')
    await page.getByRole('link', { name: 'Gapminder' }).waitFor({ state: 'detached' })
    await page.getByRole('link', { name: /South Asia/ }).waitFor()
    await page.getByRole('searchbox').fill('')
  })

  it('sees all charts of the dashboard', async () => {
    await page.getByRole('link', { name: 'Gapminder' }).click()
    await tile('Population').getByText('3.57B').waitFor()
    await tile('Countries').getByText('Afghanistan').waitFor()
    await tile('Region').getByText('South Asia').waitFor()
    for (const name of charts) await tile(name).locator('svg, canvas').first().waitFor()
    for (const name of [...charts, 'Population', 'Countries']) expect(await colours(tile(name))).toBeGreaterThan(3)
  })

  it('filters all charts with a click in one, and clears the selection', async () => {
    const before = await tile('Population over the years').screenshot()
    const box = await tile('Life expectancy by region').boundingBox()
    if (box === null) throw new Error('The bar chart is not visible')
    await page.mouse.click(box.x + box.width * 0.5, box.y + box.height * 0.32)
    await tile('Population').getByText('3.57B').waitFor({ state: 'detached' })
    expect((await tile('Population over the years').screenshot()).equals(before)).toBe(false)
    await page.mouse.click(5, 120)
    await page.getByTitle('Clear all selections').click()
    await tile('Population').getByText('3.57B').waitFor()
  })

  it('has no token that a script can read', async () => {
    const readable = await page.evaluate(() =>
      JSON.stringify([document.documentElement.outerHTML, document.cookie, { ...localStorage }, { ...sessionStorage }]),
    )
    for (const secret of tenant.issuedSecrets()) expect(readable).not.toContain(secret)
    expect(await page.evaluate(() => document.cookie)).toBe('')
    expect((await visit.cookies(demo.origin)).every(({ httpOnly }) => httpOnly)).toBe(true)
  })

  it.each(['/', '/apps', '/account', '/public', '/spa', '/status'])(
    'finds no accessibility violations at %s',
    async path => {
      await page.goto(demo.origin + path)
      const { violations } = await audit()
      expect(violations.map(({ id, nodes }) => [id, nodes.map(node => node.html)])).toEqual([])
    },
  )

  it('sees pages without sideways scrolling, English dates, and dark list boxes and tables on a German phone', async () => {
    const phone = await browser.newPage({
      viewport: { width: 360, height: 740 },
      colorScheme: 'dark',
      locale: 'de-DE',
      storageState: await visit.storageState(),
    })
    for (const path of ['/', '/apps', '/account', '/spa']) {
      await phone.goto(demo.origin + path)
      expect([path, await phone.evaluate(() => document.documentElement.scrollWidth)]).toEqual([path, 360])
    }
    // English pages have English dates, whatever the language of the browser.
    await phone.goto(`${demo.origin}/account`)
    await phone
      .getByText(/^[A-Z][a-z]{2} \d{1,2}, 20\d{2}, \d{1,2}:\d{2} [AP]M$/)
      .first()
      .waitFor()
    await phone.goto(`${demo.origin}/public`)
    for (const [name, value] of [
      ['Region', 'South Asia'],
      ['Countries', 'Afghanistan'],
    ]) {
      const text = phone.locator(`section[aria-label="${name}"]`).getByText(`${value}`, { exact: true }).first()
      expect([name, await text.evaluate(backgroundsUpToTile)]).toEqual([name, ['rgb(25, 29, 32)']])
    }
    await phone.close()
  })

  it('sees the public dashboard without a login or a cookie', async () => {
    const anonymous = await open({ viewport: { width: 1280, height: 1000 } })
    await anonymous.page.goto(`${demo.origin}/public`)
    await anonymous.page.getByRole('region', { name: 'Population', exact: true }).getByText('3.57B').waitFor()
    expect(await anonymous.visit.cookies(demo.origin)).toEqual([])
    await anonymous.visit.close()
  })

  it('sees a chart in the single-page app, whose token is in the page', async () => {
    await page.goto(`${demo.origin}/spa`)
    await page.getByRole('link', { name: 'Open a chart as an SPA' }).click()
    await page.getByRole('button', { name: 'Allow' }).click()
    await page.waitForURL(`${demo.origin}/spa/chart`)
    await page.locator('.tile canvas, .tile svg').first().waitFor()
    const stored = await page.evaluate(() => Object.values(sessionStorage).join())
    expect(tenant.issuedSecrets().some(secret => stored.includes(secret))).toBe(true)
    await page.evaluate(() => sessionStorage.clear())
  })

  it('opens any other app sheet by sheet', async () => {
    await page.goto(`${demo.origin}/apps?query=South`)
    await page.getByRole('link', { name: /South Asia/ }).click()
    await page.getByRole('link', { name: 'Overview' }).waitFor()
    await page.locator('.sheet').getByText('Afghanistan').first().waitFor()
  })

  it('logs out', async () => {
    await page.goto(`${demo.origin}/account`)
    await page.getByText('ada@example.com').first().waitFor()
    await page.getByRole('button', { name: 'Log out', exact: true }).click()
    await page.waitForURL(`${demo.origin}/?loggedOut=1`)
    await page.getByRole('link', { name: 'Log in as someone else' }).waitFor()
    // A guarded page would log in again: the session at the tenant goes on.
    expect(await page.evaluate(async () => (await fetch('/auth/session')).json())).toEqual({ authenticated: false })
    expect(await page.evaluate(async () => (await fetch('/qlik/api/v1/items')).status)).toBe(401)
  })

  it('sees no error on the console except the 401 after the logout', () =>
    expect(problems.flat()).toEqual([expect.stringMatching(/status of 401/)]))
})

const charts = [
  'Life expectancy by region',
  'Population over the years',
  'Share of the population',
  'Fertility and life expectancy',
]

/**
 * By label, not by role: during a selection the toolbar of the chart hides everything else from assistive technology.
 */
function tile(name: string) {
  return page.locator(`section[aria-label="${name}"]`)
}

/** The background colours from an element up to its tile. */
function backgroundsUpToTile(element: Element): string[] {
  const backgrounds = new Set<string>()
  for (
    let current: Element | null = element;
    current !== null;
    current = current.classList.contains('tile') ? null : current.parentElement
  ) {
    backgrounds.add(getComputedStyle(current).backgroundColor)
  }
  return [...backgrounds].filter(background => background !== 'rgba(0, 0, 0, 0)')
}

async function open(options: Parameters<Browser['newContext']>[0]) {
  const context = await browser.newContext(options)
  const opened = await context.newPage()
  problems.push(problemsOf(opened))
  return { visit: context, page: opened }
}

interface Audit {
  violations: { id: string; nodes: { html: string }[] }[]
}

/** Runs axe in an isolated world, where the page's content security policy does not apply. */
async function audit(): Promise<Audit> {
  const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  const session = await visit.newCDPSession(page)
  const { frameTree } = await session.send('Page.getFrameTree')
  const { executionContextId } = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id })
  await session.send('Runtime.evaluate', { contextId: executionContextId, expression: source })
  const { result } = await session.send('Runtime.evaluate', {
    contextId: executionContextId,
    expression:
      "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa'] }).then(({ violations }) => ({ violations }))",
    awaitPromise: true,
    returnByValue: true,
  })
  await session.detach()
  return result.value
}
