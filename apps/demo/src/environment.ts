import { randomBytes } from 'node:crypto'
import { isLoopback, scopeList } from 'qlik-oauth/internal'
import { z } from 'zod'
import { isRedisUrl, withoutPassword } from './redis-url.ts'

/** What the process was told by its environment variables, checked. README.md lists them. */
export interface Environment {
  readonly production: boolean
  /** Origin of the tenant. */
  readonly tenant: string
  /** The tenant is on this machine, which only the simulator is. */
  readonly simulated: boolean
  readonly webClient: { readonly clientId: string; readonly clientSecret: string; readonly scope: string }
  /** The other kinds of clients; each turns on the page that needs it. */
  readonly machineClient: { readonly clientId: string; readonly clientSecret: string } | undefined
  readonly anonymousClient: { readonly clientId: string; readonly accessCode: string } | undefined
  readonly singlePageClient: { readonly clientId: string } | undefined
  readonly port: number
  /** Origin that browsers see. */
  readonly publicUrl: string
  readonly redisUrl: string | undefined
  /** Newest first. */
  readonly sessionSecrets: readonly string[]
  /** Newest first; 32 bytes each, base64. */
  readonly tokenKeys: readonly string[]
  readonly idleSeconds: number
  readonly absoluteSeconds: number
  readonly loginRateLimit: number
  readonly trustedHops: number
  readonly logLevel: LogLevel
  /** Sources added to the content security policy. */
  readonly cspExtra: readonly string[]
}

export type LogLevel = (typeof logLevels)[number]

/** A variable that is missing or wrong. The message is one line for the operator and shows no secret. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError'
}

/**
 * Reads the environment once, at start. A variable that is set to nothing counts as not set.
 *
 * @throws EnvironmentError naming the variable, what was given and what is expected.
 */
export function readEnvironment(source: NodeJS.ProcessEnv): Environment {
  const given = Object.fromEntries(Object.keys(variables.shape).map(name => [name, source[name]?.trim() || undefined]))
  const checked = variables.safeParse(given)
  if (!checked.success) throw new EnvironmentError(complaint(checked.error.issues, given))

  const set = checked.data
  const production = set.NODE_ENV === 'production'
  const simulated = set.QLIK_TENANT_URL !== undefined && isLoopback(new URL(set.QLIK_TENANT_URL).hostname)
  const defaults: Partial<typeof simulatorClients> = simulated ? simulatorClients : {}
  const publicUrl = set.PUBLIC_URL ?? `http://localhost:${set.PORT}`
  if (set.SESSION_IDLE_SECONDS > set.SESSION_ABSOLUTE_SECONDS) {
    throw new EnvironmentError(
      `SESSION_IDLE_SECONDS must not be longer than SESSION_ABSOLUTE_SECONDS, got ${set.SESSION_IDLE_SECONDS} and ${set.SESSION_ABSOLUTE_SECONDS}.`,
    )
  }

  return {
    production,
    tenant: required('QLIK_TENANT_URL', set.QLIK_TENANT_URL, '`pnpm demo` starts a simulated tenant instead'),
    simulated,
    webClient: {
      clientId: required(
        'QLIK_CLIENT_ID',
        set.QLIK_CLIENT_ID ?? defaults.QLIK_CLIENT_ID,
        'README.md tells how to register a client',
      ),
      clientSecret: required(
        'QLIK_CLIENT_SECRET',
        set.QLIK_CLIENT_SECRET ?? defaults.QLIK_CLIENT_SECRET,
        'it belongs to QLIK_CLIENT_ID',
      ),
      scope: set.QLIK_SCOPE,
    },
    machineClient: both(
      ['QLIK_M2M_CLIENT_ID', set.QLIK_M2M_CLIENT_ID ?? defaults.QLIK_M2M_CLIENT_ID],
      ['QLIK_M2M_CLIENT_SECRET', set.QLIK_M2M_CLIENT_SECRET ?? defaults.QLIK_M2M_CLIENT_SECRET],
      (clientId, clientSecret) => ({ clientId, clientSecret }),
    ),
    anonymousClient: both(
      ['QLIK_ANONYMOUS_CLIENT_ID', set.QLIK_ANONYMOUS_CLIENT_ID ?? defaults.QLIK_ANONYMOUS_CLIENT_ID],
      ['QLIK_ACCESS_CODE', set.QLIK_ACCESS_CODE ?? defaults.QLIK_ACCESS_CODE],
      (clientId, accessCode) => ({ clientId, accessCode }),
    ),
    singlePageClient: singlePageClient(set.QLIK_SPA_CLIENT_ID ?? defaults.QLIK_SPA_CLIENT_ID),
    port: set.PORT,
    publicUrl,
    redisUrl: set.REDIS_URL,
    sessionSecrets: set.SESSION_SECRET ?? secretOf(production, 'SESSION_SECRET'),
    tokenKeys: set.TOKEN_KEYS ?? secretOf(production, 'TOKEN_KEYS'),
    idleSeconds: set.SESSION_IDLE_SECONDS,
    absoluteSeconds: set.SESSION_ABSOLUTE_SECONDS,
    loginRateLimit: set.LOGIN_RATE_LIMIT,
    trustedHops: set.TRUST_PROXY,
    logLevel: set.LOG_LEVEL,
    cspExtra: set.QLIK_CSP_EXTRA,
  }
}

/** The clients that every simulated tenant knows, and therefore no secrets. */
export const simulatorClients = {
  QLIK_CLIENT_ID: 'demo-web',
  QLIK_CLIENT_SECRET: 'demo-web-secret',
  QLIK_M2M_CLIENT_ID: 'demo-m2m',
  QLIK_M2M_CLIENT_SECRET: 'demo-m2m-secret',
  QLIK_ANONYMOUS_CLIENT_ID: 'demo-anonymous',
  QLIK_ACCESS_CODE: 'demo-access-code',
  QLIK_SPA_CLIENT_ID: 'demo-spa',
} as const satisfies Partial<Record<keyof typeof variables.shape, string>>

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

const thirtyDays = 30 * 24 * 60 * 60

const name = variable('a name without spaces', text => (/^\S{1,512}$/.test(text) ? text : undefined))

const variables = z.object({
  NODE_ENV: z.string().optional(),
  QLIK_TENANT_URL: variable(
    'the origin of a Qlik Cloud tenant, such as "https://acme.eu.qlikcloud.com"; http is for this machine only',
    origin,
  ).optional(),
  QLIK_CLIENT_ID: name.optional(),
  QLIK_CLIENT_SECRET: name.optional(),
  QLIK_SCOPE: variable('scopes separated by spaces, such as "user_default offline_access"', scope).default(
    'user_default offline_access',
  ),
  QLIK_M2M_CLIENT_ID: name.optional(),
  QLIK_M2M_CLIENT_SECRET: name.optional(),
  QLIK_ANONYMOUS_CLIENT_ID: name.optional(),
  QLIK_ACCESS_CODE: name.optional(),
  QLIK_SPA_CLIENT_ID: name.optional(),
  QLIK_CSP_EXTRA: variable('sources separated by spaces, such as "https://cdn.qlikcloud.com blob:"', sources).default(
    [],
  ),
  PORT: wholeNumber(1, 65_535).default(3000),
  PUBLIC_URL: variable(
    'the origin that browsers see, such as "https://app.example.com"; http is for this machine only',
    origin,
  ).optional(),
  REDIS_URL: variable(
    'redis://host:6379, rediss://host:6379, a comma list of them for a cluster, or redis+sentinel://host:26379,host:26379/master',
    text => (isRedisUrl(text) ? text : undefined),
  ).optional(),
  SESSION_SECRET: variable(
    'one or more random texts of at least 16 characters separated by commas, the newest first',
    texts,
  ).optional(),
  TOKEN_KEYS: variable('one or more keys of 32 bytes in base64 separated by commas, the newest first', keys).optional(),
  SESSION_IDLE_SECONDS: wholeNumber(1, thirtyDays).default(1800),
  SESSION_ABSOLUTE_SECONDS: wholeNumber(1, thirtyDays).default(43_200),
  LOGIN_RATE_LIMIT: wholeNumber(0, 1_000_000).default(60),
  TRUST_PROXY: variable('the number of trusted proxies in front, such as 1, or off', hops).default(0),
  LOG_LEVEL: variable(`one of ${logLevels.join(', ')}`, text => logLevels.find(level => level === text)).default(
    'info',
  ),
})

const secrets: readonly string[] = [
  'QLIK_CLIENT_SECRET',
  'QLIK_M2M_CLIENT_SECRET',
  'QLIK_ACCESS_CODE',
  'SESSION_SECRET',
  'TOKEN_KEYS',
] satisfies readonly (keyof typeof variables.shape)[]

function variable<Value>(expected: string, read: (text: string) => Value | undefined) {
  return z.string().transform((text, context) => {
    const value = read(text)
    if (value !== undefined) return value
    context.addIssue({ code: 'custom', message: expected })
    return z.NEVER
  })
}

function wholeNumber(least: number, most: number) {
  const expected = `a whole number from ${least} to ${most}`
  return variable(expected, text =>
    /^\d{1,10}$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : undefined,
  )
}

function origin(text: string): string | undefined {
  if (!URL.canParse(text) || !/^https?:\/\//i.test(text)) return undefined
  const url = new URL(text)
  const bare =
    url.username === '' && url.password === '' && url.pathname === '/' && url.search === '' && url.hash === ''
  return bare && (url.protocol === 'https:' || isLoopback(url.hostname)) ? url.origin : undefined
}

function scope(text: string): string | undefined {
  try {
    return scopeList(text).join(' ')
  } catch {
    return undefined
  }
}

function sources(text: string): readonly string[] | undefined {
  const words = text.split(/\s+/)
  return words.every(word => /^('[a-z-]+'|[a-z][a-z0-9+.-]*:(\/\/[^\s;,'"]+)?)$/i.test(word)) ? words : undefined
}

function list(text: string): readonly string[] | undefined {
  const entries = text.split(',').map(entry => entry.trim())
  return entries.every(entry => entry !== '') ? entries : undefined
}

function texts(text: string): readonly string[] | undefined {
  const entries = list(text)
  return entries?.every(entry => entry.length >= 16) ? entries : undefined
}

function keys(text: string): readonly string[] | undefined {
  const entries = list(text)
  return entries?.every(entry => /^[A-Za-z0-9+/_-]{43}=?$/.test(entry)) ? entries : undefined
}

function hops(text: string): number | undefined {
  if (text === 'off') return 0
  return /^\d{1,2}$/.test(text) ? Number(text) : undefined
}

function singlePageClient(clientId: string | undefined): Environment['singlePageClient'] {
  return clientId === undefined ? undefined : { clientId }
}

type Pair = readonly [name: string, value: string | undefined]

function both<Client>(
  [first, a]: Pair,
  [second, b]: Pair,
  client: (a: string, b: string) => Client,
): Client | undefined {
  if (a === undefined && b === undefined) return undefined
  return client(
    required(first, a, `it is needed beside ${second}`),
    required(second, b, `it is needed beside ${first}`),
  )
}

function required(variableName: string, value: string | undefined, hint: string): string {
  if (value === undefined) throw new EnvironmentError(`${variableName} is not set: ${hint}.`)
  return value
}

function secretOf(production: boolean, variableName: string): readonly string[] {
  if (production)
    throw new EnvironmentError(
      `${variableName} is not set: production needs it. Make one with: openssl rand -base64 32`,
    )
  return [randomBytes(32).toString('base64')]
}

function complaint(issues: readonly z.core.$ZodIssue[], given: Record<string, string | undefined>): string {
  const [first, ...others] = issues.map(issue => ({ name: String(issue.path[0]), expected: issue.message }))
  if (first === undefined) return 'The environment is wrong.'
  const also = others.length === 0 ? '' : ` Wrong as well: ${others.map(other => other.name).join(', ')}.`
  return `${first.name} must be ${first.expected}, got ${shown(first.name, given[first.name] ?? '')}.${also}`
}

function shown(variableName: string, value: string): string {
  if (secrets.includes(variableName)) return 'something else, which is not shown because it is a secret'
  const text = JSON.stringify(variableName.endsWith('_URL') ? withoutPassword(value) : value)
  return text.length > 120 ? `${text.slice(0, 120)}…` : text
}
