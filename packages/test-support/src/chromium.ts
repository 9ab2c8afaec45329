import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core'
import { chromiumPath } from './programs.ts'

export type { Browser, BrowserContext, Page }

/**
 * Starts the Chromium of this machine, or that of `CHROMIUM_PATH`.
 *
 * @param more Further switches of the command line.
 */
export async function launchChromium(more: readonly string[] = []): Promise<Browser> {
  const executablePath = chromiumPath()
  if (executablePath === undefined) throw new Error('Chromium is missing. Install it, or set CHROMIUM_PATH')
  return await chromium.launch({ executablePath, args: [...flags, ...more] })
}

/** What a page complains of: errors on its console, and errors that nobody caught. The list grows as they come. */
export function problemsOf(page: Page): readonly string[] {
  const problems: string[] = []
  page.on('console', message => {
    if (message.type() === 'error') problems.push(`${page.url()} ${message.text()}`)
  })
  page.on('pageerror', error => problems.push(`${page.url()} ${error.message}`))
  return problems
}

/** Counts the colours in a picture of an element: a blank one has its background and its border. */
export async function colours(element: Locator): Promise<number> {
  const picture = (await element.screenshot()).toString('base64')
  const blank = await blankPage(element.page().context().browser())
  return await blank.evaluate(async source => {
    const image = new Image()
    image.src = `data:image/png;base64,${source}`
    await image.decode()
    const canvas = document.createElement('canvas')
    canvas.width = image.width
    canvas.height = image.height
    const context = canvas.getContext('2d')
    context?.drawImage(image, 0, 0)
    const pixels = new Uint32Array(
      context?.getImageData(0, 0, image.width, image.height).data.buffer ?? new ArrayBuffer(0),
    )
    const counts = new Map<number, number>()
    for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1)
    return [...counts.values()].filter(times => times > 5).length
  }, picture)
}

/**
 * A page where the content security policy of the page in question has no say. One serves all pictures of a browser.
 */
function blankPage(browser: Browser | null): Promise<Page> {
  if (browser === null) throw new Error('The page belongs to no browser')
  const blank = blanks.get(browser) ?? browser.newPage()
  blanks.set(browser, blank)
  return blank
}

const blanks = new WeakMap<Browser, Promise<Page>>()

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
