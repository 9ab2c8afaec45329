import { pipeline } from 'node:stream/promises'
import { Argument, type Command } from 'commander'
import type { Dispatcher } from 'undici'
import { internalsOf, type QlikClient } from '../protocol/client.ts'
import { QlikOAuthError, TenantResponseError } from '../protocol/errors.ts'
import { followRedirects, retryAfterSeconds, versionHeader } from '../protocol/tenant-http.ts'
import { checkApiPath } from '../tenant/tenant-api.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import { withAccessToken } from '../tokens/with-access-token.ts'
import { withIdentity } from './command-identity.ts'
import type { GlobalOptions, Terminal } from './terminal.ts'

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
type Method = (typeof methods)[number]

/** The command `api`: one request to the tenant's REST API, streamed, so that it can carry apps and files. */
export function addApiCommand(program: Command, terminal: Terminal): void {
  program
    .command('api')
    .description('send one request to the REST API; POST, PUT and PATCH send standard input')
    .addArgument(new Argument('<method>').choices(methods))
    .argument('<path>', 'such as /api/v1/items?limit=10')
    .option('--content-type <type>', 'type of the request body', 'application/json')
    .option('--api-version <version>', 'version of the REST API, such as 2026-11, or latest')
    .addHelpText(
      'after',
      '\nExample:\n  echo \'{"name":"Sales","type":"shared"}\' | qlik-oauth api POST /api/v1/spaces',
    )
    .action(async (method: Method, path: string, _options: unknown, command: Command) => {
      const { tenant, contentType, apiVersion } = command.optsWithGlobals<
        GlobalOptions & { contentType: string; apiVersion?: string }
      >()
      checkApiPath(path)
      await withIdentity(terminal, tenant, async ({ client, tokens }) => {
        const response = await send(terminal, client, tokens, { method, path, contentType, apiVersion })
        await pipeline(response.body, terminal.stdout, { end: false })
        throwForStatus(tokens.tenant, response)
      })
    })
}

interface Sent {
  readonly method: Method
  readonly path: string
  readonly contentType: string
  readonly apiVersion: string | undefined
}

/** Sends the request. One without a body is sent once more after a 401, and follows redirects on the tenant. */
async function send(
  terminal: Terminal,
  client: QlikClient,
  tokens: TokenSource,
  { method, path, contentType, apiVersion }: Sent,
): Promise<StreamedResponse> {
  const hasBody = method === 'POST' || method === 'PUT' || method === 'PATCH'
  const { stdin, signal } = terminal
  const { tenant } = tokens
  const { host, streams } = internalsOf(client)

  const discard = ({ body }: StreamedResponse) => body.dump()

  const sendOnce = async (accessToken: string, current: string): Promise<StreamedResponse> => {
    const { statusCode, headers, body } = await streams()
      .request({
        method,
        path: current,
        headers: {
          authorization: `Bearer ${accessToken}`,
          accept: '*/*',
          ...versionHeader(current, apiVersion),
          ...(hasBody ? { 'content-type': contentType } : {}),
        },
        body: hasBody ? stdin : null,
        signal,
      })
      .catch(cause => {
        if (cause instanceof QlikOAuthError) throw cause
        throw new QlikOAuthError('ERR_TENANT_UNREACHABLE', `No response from ${tenant}`, { cause })
      })
    return { status: statusCode, headers, body }
  }
  return await withAccessToken(
    tokens,
    accessToken =>
      hasBody
        ? sendOnce(accessToken, path)
        : followRedirects(host, path, current => sendOnce(accessToken, current), discard),
    {
      // Standard input cannot be read twice.
      isRejected: ({ status }) => status === 401 && !hasBody,
      discard,
      signal,
    },
  )
}

interface StreamedResponse extends Pick<Dispatcher.ResponseData, 'headers' | 'body'> {
  readonly status: number
}

function throwForStatus(tenant: string, { status, headers }: StreamedResponse): void {
  const message = `${tenant} returned ${status}`
  if (status >= 400)
    throw new TenantResponseError({ message, status, errors: [], retryAfterSeconds: retryAfterSeconds(headers) })
  if (status >= 300)
    throw new QlikOAuthError('ERR_TENANT_RESPONSE', `${message}; a request with a body is not sent again`)
}
