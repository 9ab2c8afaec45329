import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Router, static as serveStatic } from 'express'

/** Styles, scripts and fonts, all served from this origin: no request goes to a CDN. */
export function assets(): Router {
  const router = Router()
  router.use(serveStatic(fileURLToPath(new URL('../public', import.meta.url)), { maxAge: '1h' }))
  router.use(
    '/fonts',
    serveStatic(join(folderOf('@fontsource-variable/inter'), 'files'), { maxAge: '30d', immutable: true }),
  )
  // Qlik's published web components; they load the tenant's embed runtime through the proxy.
  router.use('/qlik-embed', serveStatic(folderOf('@qlik/embed-web-components'), { maxAge: '1h' }))
  return router
}

function folderOf(packageName: string): string {
  return dirname(fileURLToPath(import.meta.resolve(packageName)))
}
