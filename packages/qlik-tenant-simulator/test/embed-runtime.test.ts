import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Browser, Page } from 'playwright-core'
import { colours, launchChromium, problemsOf } from 'test-support/chromium'
import { gapminderAppId } from '../src/apps/catalogue.ts'
import { dashboardObjects } from '../src/apps/dashboard.ts'
import { serveChartPage } from './chart-page.ts'

const objects = dashboardObjects

/** What the pages in this test use of the embed API. */
interface RefApi {
  getDoc(): Promise<{
    getAppLayout(): Promise<{ qTitle: string }>
    getField(name: string): Promise<{ selectValues(values: readonly object[]): Promise<boolean> }>
    clearAll(): Promise<void>
  }>
  getObject(): Promise<{ getLayout(): Promise<{ title?: string; visualization?: string }> } | undefined>
}
interface QlikMain {
  import(name: string): Promise<{ mountVanillaEmbedComponent(options: object): unknown }>
  getRootUrl(): string
}

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

  it('gives the page access to the app and the object of an element', async () => {
    const titles = await page.evaluate(
      async ids => {
        const refApiOf = (id: string) => {
          const element = document.querySelector(`#${id} qlik-embed`) as HTMLElement & { getRefApi(): Promise<RefApi> }
          return element.getRefApi()
        }
        const [chart, onTheFly, field] = await Promise.all(ids.map(refApiOf))
        return [
          (await (await chart?.getDoc())?.getAppLayout())?.qTitle,
          (await (await chart?.getObject())?.getLayout())?.title,
          (await (await onTheFly?.getObject())?.getLayout())?.visualization,
          (await field?.getObject()) === undefined,
        ]
      },
      [objects.kpi, 'on-the-fly', 'field'],
    )
    expect(titles).toEqual(['Gapminder', 'Population', 'barchart', true])
  })

  it('redraws after a selection of the page', async () => {
    const select = (text: string | undefined) =>
      page.evaluate(
        async ([id, value]) => {
          const element = document.querySelector(`#${id} qlik-embed`) as HTMLElement & { getRefApi(): Promise<RefApi> }
          const doc = await (await element.getRefApi()).getDoc()
          if (value === undefined) await doc.clearAll()
          else await (await doc.getField('region')).selectValues([{ qText: value }])
        },
        [objects.kpi, text] as const,
      )
    await select('South Asia')
    await page.locator(`#${objects.kpi}`).getByText('3.57B').waitFor({ state: 'detached' })
    await select(undefined)
    await page.locator(`#${objects.kpi}`).getByText('3.57B').waitFor()
  })

  it('reports the origin as root URL, and connects to its own path without a host', async () => {
    const rootUrl = await page.evaluate(
      async ([appId, objectId]) => {
        const { QlikMain } = window as unknown as { QlikMain: QlikMain }
        const { mountVanillaEmbedComponent } = await QlikMain.import('embed-vanilla@v1')
        const target = document.createElement('div')
        target.id = 'without-host'
        target.style.height = '200px'
        document.body.append(target)
        mountVanillaEmbedComponent({ target, props: { ui: 'analytics/chart', appId, objectId } })
        return QlikMain.getRootUrl()
      },
      [gapminderAppId, objects.kpi] as const,
    )
    expect(rootUrl).toBe(site.url)
    await page.locator('#without-host').getByText('3.57B').waitFor()
  })

  it('logs no errors to the console', () => expect(problems).toEqual([]))

  it('reports the end of the login when the socket closes and the next is rejected', async () => {
    await site.endLogin()
    await page.locator(`#${objects.kpi}`).getByText('Your login has ended. Reload the page to log in again.').waitFor()
  })
})
