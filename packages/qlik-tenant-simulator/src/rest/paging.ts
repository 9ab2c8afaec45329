import { createHash } from 'node:crypto'
import { type Exchange, sendJson } from '../http/exchange.ts'
import type { TenantState } from '../tenant/state.ts'
import { badRequest } from './call.ts'

/**
 * Sends one page of a list, with absolute links to the next and the previous page. A cursor is valid for its query only.
 *
 * @param view - Converts an entry to JSON.
 * @throws QlikError 400 for a `limit` outside 1 to 100 or a cursor of another query
 */
export async function sendPage<Entry>(
  state: TenantState,
  exchange: Exchange,
  entries: readonly Entry[],
  view: (entry: Entry) => unknown = entry => entry,
): Promise<void> {
  const { searchParams, pathname } = exchange.url
  const limit = limitOf(searchParams.get('limit'))
  // @qlik/sdk appends the query to a link that already contains it, so repeated parameters count once.
  const base = new URLSearchParams()
  for (const [name, value] of searchParams)
    if (!['page', 'next', 'prev'].includes(name) && !base.has(name, value)) base.append(name, value)
  const fingerprint = createHash('sha256').update(`${pathname}?${base}`).digest('base64url').slice(0, 12)
  const offset = offsetOf(searchParams.get('page') ?? searchParams.get('next') ?? searchParams.get('prev'), fingerprint)

  const link = (at: number) => {
    const query = new URLSearchParams(base)
    query.set('page', Buffer.from(`${fingerprint}:${at}`).toString('base64url'))
    return { href: `${state.origin}${pathname}?${query}` }
  }
  await sendJson(exchange, 200, {
    data: entries.slice(offset, offset + limit).map(view),
    links: {
      self: { href: `${state.origin}${pathname}${exchange.url.search}` },
      prev: offset === 0 ? { href: null } : link(Math.max(0, offset - limit)),
      ...(offset + limit < entries.length ? { next: link(offset + limit) } : {}),
    },
    ...(searchParams.get('totalResults') === 'true' ? { totalResults: entries.length } : {}),
  })
}

function limitOf(value: string | null): number {
  if (value === null) return defaultLimit
  const limit = Number(value)
  if (!/^\d+$/.test(value) || limit < 1 || limit > 100) throw badRequest('limit must be from 1 to 100')
  return limit
}

function offsetOf(cursor: string | null, fingerprint: string): number {
  if (cursor === null) return 0
  const [, of, at] = /^([\w-]+):(\d+)$/.exec(Buffer.from(cursor, 'base64url').toString('utf8')) ?? []
  if (of !== fingerprint) throw badRequest('The page cursor belongs to another query')
  return Number(at)
}

const defaultLimit = 20
