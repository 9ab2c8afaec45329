import { pipeline } from 'node:stream/promises'
import { Argument, type Command } from 'commander'
import { type Dispatcher, request } from 'undici'
import { QlikOAuthError } from '../protocol/errors.ts'
import { pathOnTenant } from '../protocol/tenant-origin.ts'
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
    .addHelpText(
      'after',
      '\nExample:\n  echo \'{"name":"Sales","type":"shared"}\' | qlik-oauth api POST /api/v1/spaces',
    )
    .action(async (method: Method, path: string, _options: unknown, command: Command) => {
      const { tenant, contentType } = command.optsWithGlobals<GlobalOptions & { contentType: string }>()
      checkApiPath(path)
      await withIdentity(terminal, tenant, async ({ tokens }) => {
        const response = await send(terminal, tokens, { method, path, contentType })
        await pipeline(response.body, terminal.stdout, { end: false })
        throwForStatus(tokens.tenant, response.statusCode)
      })
    })
}

interface Sent {
  readonly method: Method
  readonly path: string
  readonly contentType: string
}

/** Sends the request. One without a body is sent once more after a 401, and follows redirects on the tenant. */
async function send(
  terminal: Terminal,
  tokens: TokenSource,
  { method, path, contentType }: Sent,
): Promise<Dispatcher.ResponseData> {
  const hasBody = method === 'POST' || method === 'PUT' || method === 'PATCH'
  const { stdin, signal } = terminal
  const { tenant } = tokens

  const attempt = async (accessToken: string): Promise<Dispatcher.ResponseData> => {
    for (let current = path, redirects = 0; ; redirects++) {
      const response = await request(tenant + current, {
        method,
        headers: {
          authorization: `Bearer ${accessToken}`,
          accept: '*/*',
          ...(hasBody ? { 'content-type': contentType } : {}),
        },
        body: hasBody ? stdin : null,
        signal,
      }).catch(cause => {
        throw new QlikOAuthError('ERR_TENANT_UNREACHABLE', `No response from ${tenant}`, { cause })
      })
      const isRedirect = response.statusCode >= 300 && response.statusCode < 400
      const next = isRedirect ? pathOnTenant(response.headers.location, tenant, current) : undefined
      if (hasBody || next === undefined || redirects === maxRedirects) return response
      await response.body.dump()
      current = next
    }
  }
  return await withAccessToken(tokens, attempt, {
    // Standard input cannot be read twice.
    isRejected: ({ statusCode }) => statusCode === 401 && !hasBody,
    discard: ({ body }) => body.dump(),
    signal,
  })
}

const maxRedirects = 3

function throwForStatus(tenant: string, status: number): void {
  const message = `${tenant} returned ${status}`
  if (status >= 500) throw new QlikOAuthError('ERR_TENANT_UNREACHABLE', message)
  if (status >= 400) throw new QlikOAuthError('ERR_TENANT_REFUSED', message)
  if (status >= 300)
    throw new QlikOAuthError('ERR_TENANT_RESPONSE', `${message}; redirects are followed on the tenant's host only`)
}
