import { type QlikProxy, qlikProxy } from 'express-qlik-oauth'
import type { TokenSource } from 'qlik-oauth'

export const publicMount = '/public/qlik'

/** A second proxy beside the one for people: the same rules, another mount, and one access for everybody. */
export function publicAnalytics(tokens: TokenSource, publicUrl: string): QlikProxy {
  return qlikProxy({ access: async () => ({ tokens }), publicUrl, mount: publicMount })
}
