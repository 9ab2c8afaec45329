/**
 * Tells whether a text is an address of Redis: one URL, a comma list of URLs for a cluster, or Sentinels with the name of their master.
 *
 * @example isRedisUrl('redis+sentinel://sentinel-1:26379,sentinel-2:26379/mymaster')
 */
export function isRedisUrl(text: string): boolean {
  if (text.startsWith('redis+sentinel://')) return sentinels.test(text)
  return text.split(',').every(node => URL.canParse(node) && /^rediss?:$/.test(new URL(node).protocol) && new URL(node).hostname !== '')
}

/** The same text without the user names and passwords that URLs in it carry. */
export function withoutPassword(text: string): string {
  return text.replace(/(:\/\/)[^/\s]*@/g, '$1***@')
}

const sentinels = /^redis\+sentinel:\/\/([^@/\s]+@)?[^@/,\s]+(,[^@/,\s]+)*\/[^/\s]+(\/\d+)?$/
