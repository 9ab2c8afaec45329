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

describe('a visitor', () => {
  it('logs in at the tenant with consent, and comes to the list of apps', async () => {
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

  it('sees the dashboard drawn', async () => {
    await page.getByRole('link', { name: 'Gapminder' }).click()
    await tile('Population').getByText('3.57B').waitFor()
    await tile('Countries').getByText('Afghanistan').waitFor()
    await tile('Region').getByText('South Asia').waitFor()
    for (const name of charts) await tile(name).locator('svg, canvas').first().waitFor()
    for (const name of [...charts, 'Population', 'Countries']) expect(await colours(tile(name))).toBeGreaterThan(3)
  })

  it('filters everything with a click in one chart, and clears it', async () => {
    const before = await tile('Population over the years').screenshot()
    const box = await tile('Life expectancy by region').boundingBox()
    if (box === null) throw new Error('The bars have no place on the page')
    await page.mouse.click(box.x + box.width * 0.5, box.y + box.height * 0.32)
    await tile('Population').getByText('3.57B').waitFor({ state: 'detached' })
    expect((await tile('Population over the years').screenshot()).equals(before)).toBe(false)
    await page.mouse.click(5, 120)
    await page.getByTitle('Clear all selections').click()
    await tile('Population').getByText('3.57B').waitFor()
  })

  it('has no token within reach of a script', async () => {
    const reach = await page.evaluate(() =>
      JSON.stringify([document.documentElement.outerHTML, document.cookie, { ...localStorage }, { ...sessionStorage }]),
    )
    for (const secret of tenant.issuedSecrets()) expect(reach).not.toContain(secret)
    expect(await page.evaluate(() => document.cookie)).toBe('')
    expect((await visit.cookies(demo.origin)).every(({ httpOnly }) => httpOnly)).toBe(true)
  })

  it.each(['/', '/apps', '/account', '/public', '/spa', '/status'])('meets no barrier at %s', async path => {
    await page.goto(demo.origin + path)
    const { violations } = await audit()
    expect(violations.map(({ id, nodes }) => [id, nodes.map(node => node.html)])).toEqual([])
  })

  it('finds everything on a phone in the dark, without scrolling sideways', async () => {
    const phone = await browser.newPage({
      viewport: { width: 360, height: 740 },
      colorScheme: 'dark',
      storageState: await visit.storageState(),
    })
    for (const path of ['/', '/apps', '/account', '/spa']) {
      await phone.goto(demo.origin + path)
      expect([path, await phone.evaluate(() => document.documentElement.scrollWidth)]).toEqual([path, 360])
    }
    await phone.goto(`${demo.origin}/public`)
    for (const [name, text] of [
      ['Region', 'South Asia'],
      ['Countries', 'Afghanistan'],
    ]) {
      const drawn = phone.locator(`section[aria-label="${name}"]`).getByText(`${text}`, { exact: true }).first()
      expect([name, await drawn.evaluate(shadesUpToTile)]).toEqual([name, ['rgb(25, 29, 32)']])
    }
    await phone.close()
  })

  it('sees everybody’s dashboard without a login of their own', async () => {
    const stranger = await open({ viewport: { width: 1280, height: 1000 } })
    await stranger.page.goto(`${demo.origin}/public`)
    await stranger.page.getByRole('region', { name: 'Population', exact: true }).getByText('3.57B').waitFor()
    expect(await stranger.visit.cookies(demo.origin)).toEqual([])
    await stranger.visit.close()
  })

  it('sees a chart the single-page way, with a token that lies in the page', async () => {
    await page.goto(`${demo.origin}/spa`)
    await page.getByRole('link', { name: 'Open a chart this way' }).click()
    await page.getByRole('button', { name: 'Allow' }).click()
    await page.waitForURL(`${demo.origin}/spa/chart`)
    await page.locator('.tile canvas, .tile svg').first().waitFor()
    const kept = await page.evaluate(() => Object.values(sessionStorage).join())
    expect(tenant.issuedSecrets().some(secret => kept.includes(secret))).toBe(true)
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
    await page.waitForURL(`${demo.origin}/`)
    // The tenant still knows the person and would log them in again without a question, so no guarded page is asked.
    expect(await page.evaluate(async () => (await fetch('/auth/session')).json())).toEqual({ authenticated: false })
    expect(await page.evaluate(async () => (await fetch('/qlik/api/v1/items')).status)).toBe(401)
  })

  it('meets no error on the console but the refusal after the logout', () =>
    expect(problems.flat()).toEqual([expect.stringMatching(/status of 401/)]))
})

const charts = [
  'Life expectancy by region',
  'Population over the years',
  'Share of the population',
  'Fertility and life expectancy',
]

/**
 * By its label and not by its role: while a selection is being made, the chart's toolbar hides all else from assistive
 * technology.
 */
function tile(name: string) {
  return page.locator(`section[aria-label="${name}"]`)
}

/** The background colours that lie one upon the other from an element down to its tile. */
function shadesUpToTile(element: Element): string[] {
  const shades = new Set<string>()
  for (
    let place: Element | null = element;
    place !== null;
    place = place.classList.contains('tile') ? null : place.parentElement
  ) {
    shades.add(getComputedStyle(place).backgroundColor)
  }
  return [...shades].filter(shade => shade !== 'rgba(0, 0, 0, 0)')
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

/** axe runs in a world of its own, which the page's policy does not govern. */
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
