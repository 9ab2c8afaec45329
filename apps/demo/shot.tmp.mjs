import { chromium } from 'playwright-core'

const base = process.env.BASE ?? 'http://localhost:3456'
const which = (process.env.WHICH ?? 'desktop-light,phone-light').split(',')
const pages = (process.env.PAGES ?? 'landing,login,apps,dash,account,404').split(',')
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
})
for (const w of which) {
  const [size, scheme] = w.split('-')
  const context = await browser.newContext({
    viewport: size === 'desktop' ? { width: 1280, height: 800 } : { width: 360, height: 740 },
    colorScheme: scheme,
    deviceScaleFactor: size === 'desktop' ? 1 : 2,
  })
  const page = await context.newPage()
  page.on('console', m => {
    if (m.type() !== 'log' && m.type() !== 'debug') console.log(w, m.type(), m.text())
  })
  page.on('pageerror', e => console.log(w, 'pageerror', e.message))
  const shot = (n, full = true) =>
    pages.includes(n) || n.startsWith('x') ? page.screenshot({ path: `/tmp/shots/${w}-${n}.png`, fullPage: full }) : 0
  await page.goto(base)
  await shot('landing')
  if (pages.join() !== 'landing') {
    await page.getByRole('link', { name: 'Log in with Qlik Cloud' }).click()
    await page.waitForLoadState()
    await shot('login')
    await page.click(`button:has-text("${process.env.USER_NAME ?? 'Ada'}")`)
    await page.waitForLoadState()
    if (await page.locator('button:has-text("Allow")').count()) {
      await shot('consent')
      await page.click('button:has-text("Allow")')
    }
    await page.waitForLoadState()
    await page.waitForTimeout(800)
    console.log(page.url())
    await shot('apps')
    for (const [n, url, wait] of [
      ['account', '/account', 300],
      ['404', '/nope', 200],
      ['spa', '/spa', 500],
      ['status', '/status', 500],
      ['public', '/public', 5000],
    ])
      if (pages.includes(n)) {
        await page.goto(base + url)
        await page.waitForTimeout(wait)
        await shot(n)
      }
    if (pages.includes('dash')) {
      await page.goto(base + '/apps')
      await page.waitForSelector('.app-list a')
      const link = process.env.APP
        ? page.locator(`.app-list a:has-text("${process.env.APP}")`).first()
        : page.locator('.app-list a').first()
      await link.click()
      await page.waitForTimeout(6000)
      console.log(page.url())
      await shot('dash')
    }
  }
  await context.close()
}
await browser.close()
