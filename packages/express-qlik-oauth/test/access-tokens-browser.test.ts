import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type Browser, colours, launchChromium, type Page, problemsOf } from 'test-support/chromium'
import { startAll } from 'test-support/start-all'
import { type Example, startExample } from './support/example.ts'

let example: Example
let browser: Browser
let page: Page

beforeAll(async () => {
  ;[example, browser] = await startAll(startExample('access-tokens.ts'), launchChromium())
  page = await browser.newPage()
})
afterAll(async () => {
  await browser?.close()
  await example?.stop()
})

describe('a page that gets access tokens from the application', () => {
  it('draws a chart that comes from the tenant directly', async () => {
    const problems = problemsOf(page)
    const sockets: string[] = []
    page.on('websocket', socket => sockets.push(socket.url()))
    await page.goto(example.origin)
    await page.getByRole('button', { name: 'Log in as Ada' }).click()
    await page.locator('qlik-embed svg, qlik-embed canvas').first().waitFor()
    expect(await colours(page.locator('div').first())).toBeGreaterThan(3)
    expect(sockets).toEqual([expect.stringMatching(/^ws:.*accessToken=/)])
    expect(sockets[0]).not.toContain(new URL(example.origin).host)
    expect(problems).toEqual([])
  })
})
