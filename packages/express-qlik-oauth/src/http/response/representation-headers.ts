import type { ServerResponse } from 'node:http'

/** Removes headers that middleware has set for a body of its own. RFC 9110, section 8. */
export function removeRepresentationHeaders(response: ServerResponse): void {
  for (const name of names) response.removeHeader(name)
}

const names = [
  'accept-ranges',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-range',
  'content-type',
  'etag',
  'expires',
  'last-modified',
  'location',
]
