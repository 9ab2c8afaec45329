import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { type Browser, launchChromium, type Page } from 'test-support/chromium'
import { restProxy } from '../../src/proxy/rest-proxy.ts'
import { tokenSource } from '../support/rest-proxy.ts'
import { closeAll, closing, httpServer } from '../support/wire.ts'

let browser: Browser
beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser.close())
afterEach(closeAll)

const files = '/api/v1/apps/1/media/files'
/** A script that tells the tenant, through the proxy and with the session, that it runs. */
const script = (name: string): string => `new Image().src = '/qlik/api/v1/ran/${name}'`
const html = (name: string): string => `<!doctype html><html><body><script>${script(name)}</script></body></html>`
const svg = (name: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>${script(name)}</script><rect width="9" height="9"/></svg>`
const xhtml = (name: string): string =>
  `<html xmlns="http://www.w3.org/1999/xhtml"><body><script>${script(name)}</script></body></html>`
const multipart = (name: string): string => `--b\r\ncontent-type: text/html\r\n\r\n${html(name)}\r\n--b--\r\n`
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

/** XML that a stylesheet of the tenant turns into a page with a script. */
const transformed = (sheet: string): string =>
  `<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="${sheet}"?><x/>`
const xslt = (name: string): string =>
  `<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/">${xhtml(name)}</xsl:template></xsl:stylesheet>`
/** Headers that would load, navigate to, or permit more than the type of the response does. */
const permissive = {
  refresh: `0;url=/qlik${files}/html`,
  link: `</qlik${files}/script>; rel="preload"; as="script", </qlik${files}/style.css>; rel="stylesheet"`,
  'content-security-policy': "script-src * 'unsafe-inline'",
  'x-content-type-options': 'none',
  'service-worker-allowed': '/',
  sourcemap: `/qlik${files}/script`,
}

type Content = readonly [
  type: string | readonly string[] | undefined,
  body: string | Buffer,
  status?: number,
  headers?: Readonly<Record<string, string>>,
]
const active: Readonly<Record<string, Content>> = {
  html: ['text/html', html('html')],
  parameter: ['text/html;x', html('parameter')],
  upper: ['TEXT/HTML; charset=utf-8', html('upper')],
  utf7: ['text/html; charset=utf-7', html('utf7')],
  twice: [['application/json', 'text/html'], html('twice')],
  comma: ['text/plain, text/html', html('comma')],
  invalid: ['html', html('invalid')],
  any: ['*/*', html('any')],
  missing: [undefined, html('missing')],
  unknown: ['application/x-unknown', html('unknown')],
  part: ['text/html', html('part'), 206],
  error: ['text/html', html('error'), 404],
  nowhere: ['text/html', html('nowhere'), 302],
  svg: ['image/svg+xml', svg('svg')],
  xml: ['text/xml', xhtml('xml')],
  application: ['application/xml', xhtml('application')],
  xhtml: ['application/xhtml+xml', xhtml('xhtml')],
  rss: ['application/rss+xml', xhtml('rss')],
  mixed: ['multipart/x-mixed-replace; boundary=b', multipart('mixed')],
  related: ['multipart/related; boundary=b', multipart('related')],
  transformed: ['text/xml', transformed('xslt')],
  xslt: ['text/xsl', xslt('xslt')],
  mail: ['message/rfc822', `content-type: text/html\r\n\r\n${html('mail')}`],
  inline: ['text/html', html('inline'), 200, { 'content-disposition': 'inline; filename=page.html' }],
  compressed: ['text/html', gzipSync(html('compressed')), 200, { 'content-encoding': 'gzip' }],
  permitted: ['text/html', html('permitted'), 200, permissive],
  // Inert types, which no browser runs once told not to guess.
  text: ['text/plain', html('text')],
  octets: ['application/octet-stream', html('octets')],
  json: ['application/json', html('json')],
  script: ['text/javascript', script('script')],
  image: ['image/png', html('image')],
  icon: ['image/x-icon', svg('icon')],
  sound: ['audio/mpeg', html('sound')],
  film: ['video/mp4', html('film')],
  font: ['font/woff2', html('font')],
  sheet: ['text/css', html('sheet')],
  notes: ['text/markdown', html('notes')],
  utf16: ['text/plain; charset=utf-16', Buffer.from(`\ufeff${html('utf16')}`, 'utf16le')],
  refreshed: ['text/plain', html('refreshed'), 200, permissive],
  squeezed: ['text/plain', gzipSync(html('squeezed')), 200, { 'content-encoding': 'gzip' }],
}

/** A page of the application, and the tenant below /qlik. */
async function application(runTenantPages: readonly string[] = []) {
  const ran: string[] = []
  const asked: string[] = []
  const tenant = await httpServer((request, response) => {
    const path = (request.url ?? '').replace(/\?.*/, '')
    asked.push(path)
    if (path.startsWith('/api/v1/ran/')) ran.push(path.slice('/api/v1/ran/'.length))
    serve(path.slice(files.length + 1), response)
  })
  const proxy = restProxy({
    authenticate: async () => ({ tokens: tokenSource(tenant.origin) }),
    publicUrl: 'https://app.example.com',
    dangerouslyRunTenantPages: runTenantPages,
  })
  closing(() => proxy.close({ graceMs: 0 }))
  const { origin } = await httpServer((request, response) => {
    if (request.url?.startsWith('/qlik/') === true) proxy.serve(request, response)
    else response.setHeader('content-type', 'text/html').end('<!doctype html><title>Application</title>')
  })
  const context = await browser.newContext({ acceptDownloads: true })
  closing(() => context.close())
  const page = await context.newPage()
  await page.goto(origin)
  return { origin, context, page, ran, asked }
}

function serve(name: string, response: ServerResponse): void {
  const content = active[name]
  if (content !== undefined) {
    const [type, body, status = 200, headers = {}] = content
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    // A redirect that leads nowhere shows its body.
    if (status === 302) response.setHeader('location', 'javascript:0')
    response.statusCode = status
    if (type !== undefined) response.setHeader('content-type', typeof type === 'string' ? type : [...type])
    response.end(body)
  } else if (name === 'sw.js') response.setHeader('content-type', 'text/javascript').end('onfetch = () => {}')
  else if (name === 'module.js') response.setHeader('content-type', 'text/javascript').end('window.included = true')
  else if (name === 'style.css') response.setHeader('content-type', 'text/css').end('body { color: rgb(1, 2, 3) }')
  else if (name === 'dot.png') response.setHeader('content-type', 'image/png').end(png)
  else if (name === 'report.pdf') response.setHeader('content-type', 'application/pdf').end('%PDF-1.4 report')
  else if (name === 'book.xlsx')
    response.setHeader('content-type', 'application/vnd.ms-excel').end('spreadsheet of the tenant')
  else if (name === 'items') response.setHeader('content-type', 'application/json').end('{"data":[]}')
  else response.end()
}

type Tag = 'iframe' | 'frame' | 'object' | 'embed'

/** Shows URLs inside the page, and waits until the browser has decided about each. */
function embed(page: Page, tag: Tag, urls: readonly string[]): Promise<void> {
  return page.evaluate(
    async ([name, addresses]) => {
      const parent = name === 'frame' ? document.createElement('frameset') : document.body
      if (name === 'frame') document.body.replaceWith(parent)
      const decided = addresses.map(address => {
        const element = document.createElement(name)
        element.setAttribute(name === 'object' ? 'data' : 'src', address)
        parent.append(element)
        return new Promise(resolve => {
          element.onload = resolve
          element.onerror = resolve
          // A download fires neither event.
          setTimeout(resolve, 1000)
        })
      })
      await Promise.all(decided)
    },
    [tag, urls] as const,
  )
}

describe('content of the tenant', () => {
  const names = Object.keys(active)
  const urlsAt = (origin: string): string[] => names.map(name => `${origin}/qlik${files}/${name}`)

  it.each<[string, (page: Page, urls: readonly string[]) => Promise<void>]>([
    [
      'opened as a page',
      async (page, urls) => {
        for (const url of urls) await page.goto(url).catch(() => {})
      },
    ],
    [
      'opened as a page after it was fetched',
      async (page, urls) => {
        await page.evaluate(
          addresses => Promise.all(addresses.map(address => fetch(address).then(response => response.text()))),
          urls,
        )
        for (const url of urls) await page.goto(url).catch(() => {})
      },
    ],
    ['in an iframe', (page, urls) => embed(page, 'iframe', urls)],
    ['in a frame', (page, urls) => embed(page, 'frame', urls)],
    ['as an object', (page, urls) => embed(page, 'object', urls)],
    ['as an embed', (page, urls) => embed(page, 'embed', urls)],
  ])('does not run %s', async (_title, show) => {
    const { origin, page, ran, asked } = await application()
    await show(page, urlsAt(origin))
    const after = await page.context().newPage()
    await after.goto(origin)
    await after.evaluate(() => fetch('/qlik/api/v1/last').then(response => response.text()))
    for (const name of names) expect(asked).toContain(`${files}/${name}`)
    expect(ran).toEqual([])
  })

  it('runs where the application has opened its path, and nowhere else', async () => {
    const { origin, context, ran } = await application([`${files}/html`])
    const page = await context.newPage()
    await page.goto(`${origin}/qlik${files}/svg`).catch(() => {})
    const request = page.waitForRequest(/\/ran\/html/)
    await page.goto(`${origin}/qlik${files}/html`)
    await request
    await page.waitForLoadState('load')
    expect(ran).toEqual(['html'])
  })

  it('does not become a service worker', async () => {
    const { page, asked } = await application()
    const failure = await page.evaluate(
      path =>
        navigator.serviceWorker.register(path).then(
          () => 'registered',
          (error: Error) => error.message,
        ),
      `/qlik${files}/sw.js`,
    )
    expect(failure).toContain('403')
    expect(asked).not.toContain(`${files}/sw.js`)
  })

  it('goes on working as images, styles, scripts, data and downloads', async () => {
    const { page, origin, ran } = await application()
    const shown = await page.evaluate(async base => {
      const width = async (name: string): Promise<number> => {
        const image = new Image()
        image.src = `${base}/${name}`
        await image.decode()
        return image.naturalWidth
      }
      const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href: `${base}/style.css` })
      const tag = Object.assign(document.createElement('script'), { src: `${base}/module.js` })
      document.head.append(link, tag)
      await Promise.all([link, tag].map(element => new Promise(resolve => element.addEventListener('load', resolve))))
      return {
        png: await width('dot.png'),
        svg: await width('svg'),
        color: getComputedStyle(document.body).color,
        included: Reflect.get(window, 'included'),
        items: await (await fetch(`${base}/items`)).json(),
        svgText: (await (await fetch(`${base}/svg`)).text()).slice(0, 4),
      }
    }, `${origin}/qlik${files}`)
    expect(shown).toEqual({
      png: 1,
      svg: 9,
      color: 'rgb(1, 2, 3)',
      included: true,
      items: { data: [] },
      svgText: '<svg',
    })
    expect(ran).toEqual([])

    for (const name of ['book.xlsx', 'html']) {
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.evaluate(path => {
          const anchor = Object.assign(document.createElement('a'), { href: path })
          document.body.append(anchor)
          anchor.click()
        }, `/qlik${files}/${name}`),
      ])
      const stream = await download.createReadStream()
      const [chunk] = await once(stream, 'data')
      expect(String(chunk)).toBe(name === 'html' ? html('html') : 'spreadsheet of the tenant')
    }
  })
})
