import { afterAll, beforeAll, expect, it } from '@jest/globals'
import type { Browser } from 'playwright-core'
import { launchChromium, problemsOf } from 'test-support/chromium'
import { startAll } from 'test-support/start-all'
import { type Balancer, startBalancer } from '../../../packages/express-qlik-oauth/test/support/balancer.ts'
import { type DemoAtTenant, startDemoAtTenant } from './support/demo-at-tenant.ts'

let balancer: Balancer
let setting: DemoAtTenant
let browser: Browser
let strips = false

beforeAll(async () => {
  balancer = await startBalancer(() => [{ prefix: '/portal', port: Number(new URL(setting.demo.origin).port), strips }])
  const url = `${balancer.origin}/portal`
  ;[setting, browser] = await startAll(startDemoAtTenant({ PUBLIC_URL: url, TRUST_PROXY: '1' }), launchChromium())
  const client = { clientId: 'demo-web', clientSecret: 'demo-web-secret', appType: 'web' } as const
  const redirectUris = [`${url}/auth/callback`]
  setting.tenant.registerClient({ ...client, redirectUris, allowedScopes: ['user_default', 'offline_access'] })
})
afterAll(async () => {
  await browser?.close()
  await setting?.close()
  await balancer?.close()
})

it.each([
  ['leaves', false],
  ['removes', true],
])('works below a path that the balancer %s', async (_what, removed) => {
  strips = removed
  const page = await (await browser.newContext()).newPage()
  const problems = problemsOf(page)
  const failed: string[] = []
  page.on('response', response => response.status() >= 400 && failed.push(`${response.status()} ${response.url()}`))
  const url = `${balancer.origin}/portal`

  await page.goto(url)
  await page.getByRole('link', { name: 'Log in with Qlik Cloud' }).first().click()
  await page.getByRole('button', { name: /Ada/ }).click()
  const allow = page.getByRole('button', { name: 'Allow' })
  const apps = page.getByRole('link', { name: 'Gapminder' })
  await allow.or(apps).first().waitFor()
  if (await allow.isVisible()) await allow.click()
  await page.waitForURL(`${url}/apps`)
  await page.getByRole('button', { name: 'Next' }).click()
  await page.getByRole('button', { name: 'Previous' }).click()
  await apps.click()
  await page.locator('section[aria-label="Population"]').getByText('3.57B').waitFor()
  await page.getByRole('link', { name: /Ada/ }).click()
  await page.waitForURL(`${url}/account`)
  expect(await page.locator('[aria-current="page"]').count()).toBe(1)
  await page.goto(`${url}/public`)
  await page.locator('section[aria-label="Population"]').getByText('3.57B').waitFor()
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.waitForURL(`${url}/?loggedOut=1`)
  expect(failed).toEqual([])
  expect(problems).toEqual([])
})
