import type { Browser, BrowserContext, Page } from 'playwright-core'
import { until } from 'test-support/until'

export const gapminder = '5d6f1c1e-2b0a-4c7e-9a51-0c8e7f3b1955'

/** A browser that is logged in at the simulated tenant. */
export interface Visitor {
  readonly context: BrowserContext
  readonly page: Page
}

/** Logs a user in, in a browser of its own. */
export async function logIn(browser: Browser, origin: string, user = 'Ada'): Promise<Visitor> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 1000 } })
  const page = await context.newPage()
  page.setDefaultTimeout(30_000)
  const response = await page.goto(`${origin}/auth/login?returnTo=/account`)
  if (response?.ok() !== true) throw new Error(`The login responded with ${response?.status()}`)
  await page.getByRole('button', { name: new RegExp(user) }).click()
  // The tenant asks for consent once per user.
  const allow = page.getByRole('button', { name: 'Allow' })
  await Promise.race([allow.click().catch(() => {}), page.waitForURL(`${origin}/account`)])
  await page.waitForURL(`${origin}/account`)
  return { context, page }
}

/** Logs in and waits until the dashboard shows its figures; tries again until `withinMs` are over. */
export async function logInAndSeeCharts(browser: Browser, origin: string, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs
  for (;;) {
    try {
      const { context, page } = await logIn(browser, origin)
      await openDashboard(page, origin)
      await context.close()
      if (performance.now() < deadline) return
      throw new Error('too late')
    } catch (error) {
      if (performance.now() > deadline)
        throw new Error(`no login with charts within ${(withinMs / 1000).toFixed(0)} s: ${error}`)
    }
  }
}

export async function openDashboard(page: Page, origin: string): Promise<void> {
  await page.goto(`${origin}/apps/${gapminder}`)
  await population(page).getByText('3.57B').waitFor()
}

/** Marks the page, so that a later check notices a reload. */
export async function markPage(page: Page): Promise<void> {
  await page.evaluate(() => {
    document.title = 'Opened before'
  })
}

/** @throws Error when the page was reloaded, or a selection does not reach its charts */
export async function expectLiveCharts(page: Page): Promise<void> {
  if ((await page.title()) !== 'Opened before') throw new Error('The page was reloaded')
  await page.locator('section[aria-label="Region"]').getByText('South Asia').click()
  await population(page).getByText('3.57B').waitFor({ state: 'detached' })
  await page.locator('section[aria-label="Region"]').getByText('South Asia').click()
  await population(page).getByText('3.57B').waitFor()
}

export async function isLoggedIn({ context }: Visitor, origin: string): Promise<boolean> {
  const response = await context.request.get(`${origin}/auth/session`)
  return response.ok() && (await response.json()).authenticated === true
}

/** Waits for a status of a path. @throws Error after `withinMs` */
export async function untilStatus(
  { context }: Visitor,
  url: string,
  status: number,
  withinMs: number,
): Promise<undefined> {
  await until(async () => {
    const response = await context.request.get(url, { timeout: 2000 }).catch(() => undefined)
    return response?.status() === status
  }, withinMs)
}

const population = (page: Page) => page.locator('section[aria-label="Population"]')
