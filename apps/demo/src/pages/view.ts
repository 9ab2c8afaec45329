import { fileURLToPath } from 'node:url'
import type { Express, Request, Response } from 'express'
import { basePath } from '../base-path.ts'
import type { Environment } from '../environment.ts'

/** Sets up the view engine and the locals of all pages. */
export function views(app: Express, environment: Environment): void {
  const { anonymousClient, machineClient, publicUrl, simulated, singlePageClientId, tenant } = environment
  const features = {
    anonymous: anonymousClient !== undefined,
    machine: machineClient !== undefined,
    singlePage: singlePageClientId !== undefined,
  }
  app.set('view engine', 'ejs').set('views', fileURLToPath(new URL('../../views', import.meta.url)))
  const base = basePath(publicUrl)
  Object.assign(app.locals, {
    base,
    /** A path of the application as browsers see it. */
    at: (path: string) => base + path,
    productName: 'Qlik Cloud for Express',
    tenant,
    simulated,
    features,
    // Absolute, so that the login starts on the origin of its redirect URI.
    loginUrl: `${publicUrl}/auth/login?returnTo=%2Fapps`,
    links: [
      { href: '/apps', text: 'Apps', shown: true },
      { href: '/public', text: 'Public', shown: features.anonymous },
      { href: '/spa', text: 'Single-page', shown: features.singlePage },
      { href: '/status', text: 'Status', shown: features.machine },
    ].filter(link => link.shown),
  })
}

/** Renders a page, with the user in its header when logged in. */
export function show(
  request: Request,
  response: Response,
  view: string,
  locals: { title: string } & Record<string, unknown>,
): void {
  // Every page shows the user.
  if (!response.hasHeader('cache-control')) response.set('cache-control', 'private, no-cache').vary('cookie')
  response.render(view, {
    user: request.qlik?.user,
    here: mountedAt(request) || request.path,
    wide: false,
    offersLogin: true,
    ...locals,
  })
}

/** Path of the router around a page, without the base path. */
function mountedAt({ app, baseUrl }: Request): string {
  const { base } = app.locals
  return typeof base === 'string' && baseUrl.startsWith(base) ? baseUrl.slice(base.length) : baseUrl
}
