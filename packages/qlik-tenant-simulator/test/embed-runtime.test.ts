import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Browser, Page } from 'playwright-core'
import { colours, launchChromium, problemsOf } from 'test-support/chromium'
import { dashboardObjects } from '../src/apps/dashboard.ts'
import { serveChartPage } from './chart-page.ts'

const objects = dashboardObjects
let site: Awaited<ReturnType<typeof serveChartPage>>
let browser: Browser
let page: Page
let problems: readonly string[]

beforeAll(async () => {
  const script = fileURLToPath(new URL('../scripts/build-embed-runtime.ts', import.meta.url))
  const built = spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), script], { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(built.stderr)

  site = await serveChartPage()
  browser = await launchChromium()
  page = await browser.newPage({ viewport: { width: 1280, height: 1000 } })
  problems = problemsOf(page)
  await page.goto(site.url)
  await page.locator(`#${objects.kpi}`).getByText('3.57B').waitFor()
  for (const id of [objects.bar, objects.line, objects.pie, objects.scatter, 'on-the-fly'])
    await page.locator(`#${id} svg, #${id} canvas`).first().waitFor()
  await page.locator(`#${objects.table}`).getByText('Afghanistan').waitFor()
  await page.locator('#field').getByText('South Asia').waitFor()
})

afterAll(async () => {
  await browser?.close()
  await site?.close()
})

describe('embed runtime under the default content security policy', () => {
  it.each([objects.kpi, objects.bar, objects.line, objects.pie, objects.table, objects.scatter, 'field', 'on-the-fly'])(
    'draws %s',
    async id => {
      expect(await colours(page.locator(`#${id}`))).toBeGreaterThan(3)
    },
  )

  it('reports an unsupported ui', async () => {
    await page.locator('#unknown').getByText('classic/chart is not simulated.').waitFor()
  })

  it('shares one socket among all elements of an app', () => expect(site.engine.openSockets).toBe(1))

  it('selects by a click in the bar chart and clears in the selections bar', async () => {
    const bars = page.locator(`#${objects.bar}`)
    const box = await bars.boundingBox()
    if (!box) throw new Error('The bar chart is not visible')
    const before = await page.locator(`#${objects.line}`).screenshot()

    await page.mouse.click(box.x + box.width * 0.5, box.y + box.height * 0.32)
    await page.locator('#selections').getByText('region').first().waitFor()
    await page.locator(`#${objects.kpi}`).getByText('3.57B').waitFor({ state: 'detached' })
    expect((await page.locator(`#${objects.line}`).screenshot()).equals(before)).toBe(false)

    await page.mouse.click(5, 995)
    await page.locator('#selections').getByTitle('Clear all selections').click()
    await page.locator(`#${objects.kpi}`).getByText('3.57B').waitFor()
  })

  it('logs no errors to the console', () => expect(problems).toEqual([]))

  it('reports the end of the login when the socket closes and the next is rejected', async () => {
    await site.endLogin()
    await page.locator(`#${objects.kpi}`).getByText('Your login has ended. Reload the page to log in again.').waitFor()
  })
})
