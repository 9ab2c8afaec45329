import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import helmet from 'helmet'
import { analyticsApps, gapminderAppId } from '../src/apps/catalogue.ts'
import { dashboardObjects } from '../src/apps/dashboard.ts'
import { serveEmbedRuntime } from '../src/embed-runtime/serve.ts'
import { createEngine } from '../src/engine/engine.ts'

/** Serves a page with Qlik's web components, and the tenant below the path `/qlik`, as a backend for frontend does. */
export async function serveChartPage() {
  const engine = createEngine({ apps: analyticsApps })
  const secure = helmet()
  const components = await readFile(
    new URL('../node_modules/@qlik/embed-web-components/dist/index.js', import.meta.url),
  )
  const isLoggedIn = { value: true }

  const server = createServer((request, response) =>
    secure(request, response, async () => {
      const { pathname, origin } = new URL(request.url ?? '/', `http://${request.headers.host}`)
      if (pathname === '/') response.setHeader('content-type', 'text/html').end(page(origin))
      else if (pathname === '/page.css') response.setHeader('content-type', 'text/css').end(style)
      else if (pathname === '/components.js') response.setHeader('content-type', 'text/javascript').end(components)
      else if (pathname === '/qlik/api/v1/users/me') response.writeHead(isLoggedIn.value ? 200 : 401).end('{}')
      else if (!(await serveEmbedRuntime(request, response, pathname.replace(/^\/qlik/, ''))))
        response.writeHead(404).end()
    }),
  )
  server.on('upgrade', (request, socket, head) => {
    const appId = /^\/qlik\/app\/([^/?]+)/.exec(request.url ?? '')?.[1]
    if (appId && isLoggedIn.value) engine.accept(request, socket, head, { appId, user: { id: 'ada', name: 'Ada' } })
    else socket.end('HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))

  return {
    engine,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async endLogin() {
      isLoggedIn.value = false
      await engine.close()
    },
    async close() {
      await engine.close()
      const closed = new Promise(resolve => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

const chart = (id: string) => element(id, `ui="analytics/chart" object-id="${id}"`)
const element = (id: string, attributes: string) =>
  `<div id="${id}" class="cell"><qlik-embed app-id="${gapminderAppId}" ${attributes}></qlik-embed></div>`

const page = (origin: string) => `<!doctype html>
<html lang="en">
<head>
<title>Charts</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css">
<script src="/components.js" data-host="${origin}/qlik" data-auth-type="none"></script>
</head>
<body>
<div id="selections"><qlik-embed ui="analytics/selections" app-id="${gapminderAppId}"></qlik-embed></div>
<div class="grid">
${[dashboardObjects.kpi, dashboardObjects.bar, dashboardObjects.line, dashboardObjects.pie, dashboardObjects.table, dashboardObjects.scatter].map(chart).join('\n')}
${element('field', 'ui="analytics/field" field-id="region"')}
${element('on-the-fly', `ui="analytics/chart" type="barchart" dimensions='["[year]"]' measures='["=Sum(pop)"]'`)}
${element('unknown', 'ui="classic/chart" object-id="x"')}
</div>
</body>
</html>`

const style = `body { margin: 0; font-family: sans-serif }
#selections { height: 44px; overflow: hidden }
.grid { display: grid; grid-template-columns: repeat(3, 1fr); gap: 8px; padding: 8px }
.cell { height: 270px; border: 1px solid #ddd; overflow: hidden }
#unknown { height: 60px }`
