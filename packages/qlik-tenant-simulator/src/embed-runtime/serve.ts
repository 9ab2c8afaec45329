import type { IncomingMessage, ServerResponse } from 'node:http'

/** Answers `/qlik-embed/**` with the bundled embed runtime. @returns Whether the path was one of ours. */
export function serveEmbedRuntime(_request: IncomingMessage, response: ServerResponse, pathname: string): boolean {
  if (!pathname.startsWith('/qlik-embed/')) return false
  response.writeHead(503, { 'content-type': 'text/plain; charset=utf-8' }).end('The embed runtime is not built.\n')
  return true
}
