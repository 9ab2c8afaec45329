import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { escapeHtml } from 'qlik-oauth/internal'

/** A page that the login shows instead of a redirect. Texts and attributes in `body` are escaped already. */
export interface HtmlPage {
  readonly title: string
  readonly head?: string
  readonly body: string
  /** The only script that runs. */
  readonly script?: string
  /** Sources that may embed the page. @default none */
  readonly frameAncestors?: readonly string[]
}

/**
 * Sends a page that is never stored, sends no referrer, loads nothing, and runs no script but its own.
 *
 * It replaces the policies that middleware such as helmet has set for this response.
 */
export function sendPage(response: ServerResponse, { title, head = '', body, script, frameAncestors = [] }: HtmlPage) {
  const ancestors = frameAncestors.length === 0 ? "'none'" : frameAncestors.join(' ')
  const policy = [
    "default-src 'none'",
    `style-src ${hashOf(style)}`,
    ...(script === undefined ? [] : [`script-src ${hashOf(script)}`]),
    "base-uri 'none'",
    "form-action 'self'",
    `frame-ancestors ${ancestors}`,
  ]
  const html = [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(title)}</title><style>${style}</style>${head}</head><body>${body}`,
    script === undefined ? '' : `<script>${script}</script>`,
    '</body></html>',
  ].join('')
  // frame-ancestors takes its place; `SAMEORIGIN` would contradict it.
  response.removeHeader('x-frame-options')
  response.setHeader('content-security-policy', policy.join('; '))
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.setHeader('x-content-type-options', 'nosniff')
  response.setHeader('referrer-policy', 'no-referrer')
  response.setHeader('cache-control', 'no-store')
  response.statusCode = 200
  response.end(html)
}

function hashOf(source: string): string {
  return `'sha256-${createHash('sha256').update(source).digest('base64')}'`
}

const style =
  'body{font:1rem/1.5 system-ui,sans-serif;margin:15vh auto;max-width:28rem;padding:0 1rem;text-align:center}' +
  'a,button{font:inherit}code{font-size:1.25rem}'
