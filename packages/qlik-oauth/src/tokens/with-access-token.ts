import type { TokenSource } from './token-source.ts'

export interface AuthorizedRequestOptions<Response> {
  /** Whether the tenant rejected the access token: a 401. */
  readonly isRejected: (response: Response) => boolean
  /** Frees what the rejected response holds before the request is sent again. */
  readonly discard?: (response: Response) => unknown
  readonly signal?: AbortSignal | undefined
}

/**
 * Sends a request with a valid access token. When the tenant rejects the token, it is renewed and the request sent once
 * more; when the token source returns the same token again, the rejected response stands.
 *
 * @param send Sends the request with this access token.
 * @throws The errors of the token source and of `send`.
 */
export async function withAccessToken<Response>(
  tokens: TokenSource,
  send: (accessToken: string) => Promise<Response>,
  { isRejected, discard, signal }: AuthorizedRequestOptions<Response>,
): Promise<Response> {
  const options = signal === undefined ? {} : { signal }
  const accessToken = await tokens.accessToken(options)
  const response = await send(accessToken)
  if (!isRejected(response)) return response

  const renewed = await tokens.accessToken({ ...options, rejected: accessToken })
  if (renewed === accessToken) return response
  await discard?.(response)
  return await send(renewed)
}
