import { pipeline } from 'node:stream/promises'
import { Argument, type Command } from 'commander'
import { request } from 'undici'
import { QlikOAuthError } from '../protocol/errors.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import { acting } from './acting.ts'
import type { Terminal } from './terminal.ts'

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
type Method = (typeof methods)[number]

/** api: one request to the tenant's REST API, streamed, so that it carries apps and files too. */
export function addApiCommand(program: Command, terminal: Terminal): void {
  program
    .command('api')
    .description('send one request to the REST API; POST, PUT and PATCH send standard input')
    .addArgument(new Argument('<method>').choices(methods))
    .argument('<path>', 'such as /api/v1/items?limit=10')
    .option('--content-type <type>', 'of what is sent', 'application/json')
    .addHelpText(
      'after',
      '\nExample:\n  echo \'{"name":"Sales","type":"shared"}\' | qlik-oauth api POST /api/v1/spaces',
    )
    .action(async (method: Method, path: string, _options: unknown, command: Command) => {
      const { tenant, contentType } = command.optsWithGlobals<{ tenant?: string; contentType: string }>()
      if (!/^\/(?!\/)[^\s\\#]*$/.test(path)) {
        throw new QlikOAuthError(
          'ERR_CONFIGURATION',
          `The path must begin with one slash, such as /api/v1/items, got ${JSON.stringify(path)}.`,
        )
      }
      const { tokens } = await acting(terminal, tenant)
      const status = await send(terminal, tokens, method, path, contentType)
      if (status >= 500) throw new QlikOAuthError('ERR_TENANT_UNREACHABLE', `${tokens.tenant} answered ${status}`)
      if (status >= 400) throw new QlikOAuthError('ERR_TENANT_REFUSED', `${tokens.tenant} answered ${status}`)
      if (status >= 300)
        throw new QlikOAuthError(
          'ERR_TENANT_RESPONSE',
          `${tokens.tenant} answered ${status}; the token follows on its own host only`,
        )
    })
}

async function send(
  terminal: Terminal,
  tokens: TokenSource,
  method: Method,
  path: string,
  contentType: string,
): Promise<number> {
  const { stdin, stdout, signal } = terminal
  const sends = method === 'POST' || method === 'PUT' || method === 'PATCH'
  let rejected: string | undefined
  let at = path

  for (let attempts = 0; ; attempts++) {
    const token = await tokens.accessToken(rejected === undefined ? {} : { rejected })
    const answer = await request(tokens.tenant + at, {
      method,
      headers: { authorization: `Bearer ${token}`, accept: '*/*', ...(sends ? { 'content-type': contentType } : {}) },
      body: sends ? stdin : null,
      signal,
    }).catch(cause => {
      throw new QlikOAuthError('ERR_TENANT_UNREACHABLE', `No answer from ${tokens.tenant}`, { cause })
    })
    // What was read from standard input is gone, so only a request without a body is sent again.
    const again = !sends && attempts < 3
    const location = redirected(tokens.tenant, at, answer)
    if (again && (location !== undefined || (answer.statusCode === 401 && rejected === undefined))) {
      await answer.body.dump()
      if (location === undefined) rejected = token
      else at = location
      continue
    }
    await pipeline(answer.body, stdout, { end: false })
    return answer.statusCode
  }
}

/** The path on this tenant to which an answer leads: the token goes nowhere else. */
function redirected(
  tenant: string,
  path: string,
  { statusCode, headers }: { statusCode: number; headers: { location?: unknown } },
): string | undefined {
  const { location } = headers
  if (statusCode < 300 || statusCode > 399 || typeof location !== 'string' || !URL.canParse(location, tenant + path))
    return undefined
  const url = new URL(location, tenant + path)
  return url.origin === tenant ? url.pathname + url.search : undefined
}
