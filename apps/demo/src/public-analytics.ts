import type { RequestListener, Server } from 'node:http'
import { type Access, restProxy, socketProxy } from 'express-qlik-oauth'
import type { TokenSource } from 'qlik-oauth'

/** A second proxy beside the one for people: the same rules, another mount, and one access for everybody. */
export interface PublicAnalytics {
  handler(app: RequestListener): RequestListener
  attach<S extends Server>(server: S): S
  close(): Promise<void>
}

export const publicMount = '/public/qlik'

export function publicAnalytics(tokens: TokenSource, publicUrl: string): PublicAnalytics {
  const access = async (): Promise<Access> => ({ tokens })
  const rest = restProxy({ access, publicUrl, mount: publicMount })
  const sockets = socketProxy({ access, publicUrl, mount: publicMount })
  return {
    handler: app => (request, response) => {
      if (request.url?.startsWith(`${publicMount}/`)) rest(request, response)
      else app(request, response)
    },
    attach: server => server.on('upgrade', (request, socket, head) => void sockets.upgrade(request, socket, head)),
    close: async () => void (await Promise.all([rest.close(), sockets.close(5000)])),
  }
}
