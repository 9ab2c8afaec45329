import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { readVariableFiles } from './environment-files.ts'
import { isRedisUrl, withoutCredentials, withPassword } from './redis-url.ts'

/** The configuration of the process, read from its environment variables. README.md lists them. */
export type Environment = Readonly<z.output<typeof schema>>

export type LogLevel = Environment['logLevel']

/** A variable is missing or invalid. The message is one line for the operator and contains no secret. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError'
}

/**
 * Reads and checks the environment variables. An empty variable counts as unset. Each variable may be given as a file
 * instead: `TOKEN_KEYS_FILE` names a file with the value of `TOKEN_KEYS`, such as a secret of Docker or Kubernetes.
 *
 * @throws EnvironmentError naming the variable, the received value and the expected one.
 */
export function readEnvironment(source: NodeJS.ProcessEnv): Environment {
  const files = readVariableFiles(variableNames, source)
  if ('problem' in files) throw new EnvironmentError(files.problem)
  const values = variableNames.map(name => [name, (files.values[name] ?? source[name])?.trim()] as const)
  const received: Values = Object.fromEntries(values.filter(([, value]) => value))
  const result = schema.safeParse({ ...defaultsFor(received), ...received })
  if (result.success) return result.data
  throw new EnvironmentError(explanation(result.error.issues, received))
}

type Values = Readonly<Partial<Record<string, string>>>

/** The clients that every simulated tenant knows: public values, not secrets. */
export const simulatorClients = {
  QLIK_CLIENT_ID: 'demo-web',
  QLIK_CLIENT_SECRET: 'demo-web-secret',
  QLIK_M2M_CLIENT_ID: 'demo-m2m',
  QLIK_M2M_CLIENT_SECRET: 'demo-m2m-secret',
  QLIK_ANONYMOUS_CLIENT_ID: 'demo-anonymous',
  QLIK_ACCESS_CODE: 'demo-access-code',
  QLIK_SPA_CLIENT_ID: 'demo-spa',
}

function defaultsFor({ NODE_ENV, QLIK_TENANT_URL = '' }: Values): Values {
  const randomKey = () => randomBytes(32).toString('base64')
  return {
    ...(isLoopback(QLIK_TENANT_URL) ? simulatorClients : {}),
    ...(NODE_ENV === 'production' ? {} : { SESSION_SECRET: randomKey(), TOKEN_KEYS: randomKey() }),
  }
}

const thirtyDays = 30 * 24 * 60 * 60
const requiredInProduction = 'production needs it. Generate one with: openssl rand -base64 32'
const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

const variables = z.object({
  NODE_ENV: z.string().optional(),
  QLIK_TENANT_URL: variable(
    isOrigin,
    'the origin of a Qlik Cloud tenant, such as "https://acme.eu.qlikcloud.com"; http is accepted on loopback only',
    '`pnpm demo` starts a simulated tenant instead',
  ).transform(originOf),
  QLIK_CLIENT_ID: credential('README.md explains how to register a client'),
  QLIK_CLIENT_SECRET: credential('it belongs to QLIK_CLIENT_ID'),
  // RFC 6749, section 3.3.
  QLIK_SCOPE: variable(
    /^[\x21\x23-\x5b\x5d-\x7e]+( +[\x21\x23-\x5b\x5d-\x7e]+)*$/,
    'scopes separated by spaces, such as "user_default offline_access"',
  ).default('user_default offline_access'),
  QLIK_M2M_CLIENT_ID: credential().optional(),
  QLIK_M2M_CLIENT_SECRET: credential().optional(),
  QLIK_ANONYMOUS_CLIENT_ID: credential().optional(),
  QLIK_ACCESS_CODE: credential().optional(),
  QLIK_SPA_CLIENT_ID: credential().optional(),
  QLIK_CSP_EXTRA: variable(
    text => text.split(/\s+/).every(source => /^('[a-z-]+'|[a-z][a-z0-9+.-]*:(\/\/[^\s;,'"]+)?)$/i.test(source)),
    'sources separated by spaces, such as "https://cdn.qlikcloud.com blob:"',
  )
    .transform(text => text.split(/\s+/))
    .default([]),
  PORT: wholeNumber(1, 65_535).default(3000),
  PUBLIC_URL: variable(
    isAddress,
    'the address that browsers see, such as "https://app.example.com" or "https://company.example/portal"; http is accepted on loopback only',
  )
    .transform(text => originOf(text) + new URL(text).pathname.replace(/\/$/, ''))
    .optional(),
  REDIS_URL: variable(
    isRedisUrl,
    'redis://host:6379, rediss://host:6379, a comma-separated list of them for a cluster, or redis+sentinel://host:26379,host:26379/master',
  ).optional(),
  REDIS_PASSWORD: variable(/^[^\r\n]{1,512}$/, 'one line of at most 512 characters').optional(),
  SESSION_SECRET: variable(
    text => commaList(text).every(secret => secret.length >= 16),
    'one or more random secrets of at least 16 characters, separated by commas, newest first',
    requiredInProduction,
  ).transform(commaList),
  TOKEN_KEYS: variable(
    text => commaList(text).every(key => /^[A-Za-z0-9+/_-]{43}=?$/.test(key)),
    'one or more keys of 32 bytes in base64, separated by commas, newest first',
    requiredInProduction,
  ).transform(commaList),
  SESSION_IDLE_SECONDS: wholeNumber(1, thirtyDays).default(1800),
  SESSION_ABSOLUTE_SECONDS: wholeNumber(1, thirtyDays).default(43_200),
  LOGIN_RATE_LIMIT: wholeNumber(0, 1_000_000).default(60),
  TRUST_PROXY: variable(/^(off|\d{1,2})$/, 'the number of trusted proxies in front, such as 1, or off')
    .transform(text => (text === 'off' ? 0 : Number(text)))
    .default(0),
  LOG_LEVEL: z.enum(logLevels, `must be one of ${logLevels.join(', ')}`).default('info'),
})

/** The variables that the demo reads. */
export const variableNames: readonly string[] = Object.keys(variables.shape)

const secrets: readonly string[] = [
  'QLIK_CLIENT_SECRET',
  'QLIK_M2M_CLIENT_SECRET',
  'QLIK_ACCESS_CODE',
  'REDIS_PASSWORD',
  'SESSION_SECRET',
  'TOKEN_KEYS',
] satisfies readonly (keyof typeof variables.shape)[]

const schema = variables
  .superRefine((values, context) => {
    const report = (name: keyof typeof values, message: string) =>
      context.addIssue({ code: 'custom', path: [name], message })

    for (const pair of pairs) {
      const [unset, ...others] = pair.filter(name => values[name] === undefined)
      if (unset !== undefined && others.length === 0)
        report(unset, `is not set: ${pair.join(' and ')} are needed together`)
    }
    if (values.REDIS_PASSWORD !== undefined && values.REDIS_URL === undefined)
      report('REDIS_PASSWORD', 'needs REDIS_URL, the server that it belongs to')
    if (values.SESSION_IDLE_SECONDS > values.SESSION_ABSOLUTE_SECONDS)
      report('SESSION_IDLE_SECONDS', `must be at most SESSION_ABSOLUTE_SECONDS (${values.SESSION_ABSOLUTE_SECONDS})`)
  })
  .transform(values => ({
    /** Origin of the tenant. */
    tenant: values.QLIK_TENANT_URL,
    /** Whether the tenant runs on this machine, as only the simulator does. */
    simulated: isLoopback(values.QLIK_TENANT_URL),
    webClient: {
      clientId: values.QLIK_CLIENT_ID,
      clientSecret: values.QLIK_CLIENT_SECRET,
      scope: values.QLIK_SCOPE,
    },
    /** Each of these clients turns on the pages that need it. */
    machineClient: both(values.QLIK_M2M_CLIENT_ID, values.QLIK_M2M_CLIENT_SECRET, (clientId, clientSecret) => ({
      clientId,
      clientSecret,
    })),
    anonymousClient: both(values.QLIK_ANONYMOUS_CLIENT_ID, values.QLIK_ACCESS_CODE, (clientId, accessCode) => ({
      clientId,
      accessCode,
    })),
    singlePageClientId: values.QLIK_SPA_CLIENT_ID,
    port: values.PORT,
    /** Address that browsers see, without a slash at the end. */
    publicUrl: values.PUBLIC_URL ?? `http://localhost:${values.PORT}`,
    redisUrl: values.REDIS_URL && withPassword(values.REDIS_URL, values.REDIS_PASSWORD),
    /** Newest first. */
    sessionSecrets: values.SESSION_SECRET,
    /** Newest first; 32 bytes each, base64. */
    tokenKeys: values.TOKEN_KEYS,
    idleSeconds: values.SESSION_IDLE_SECONDS,
    absoluteSeconds: values.SESSION_ABSOLUTE_SECONDS,
    loginRateLimit: values.LOGIN_RATE_LIMIT,
    trustedHops: values.TRUST_PROXY,
    logLevel: values.LOG_LEVEL,
    /** Sources added to the content security policy. */
    cspExtra: values.QLIK_CSP_EXTRA,
  }))

const pairs = [
  ['QLIK_M2M_CLIENT_ID', 'QLIK_M2M_CLIENT_SECRET'],
  ['QLIK_ANONYMOUS_CLIENT_ID', 'QLIK_ACCESS_CODE'],
] as const

function both<Client>(
  first: string | undefined,
  second: string | undefined,
  client: (first: string, second: string) => Client,
): Client | undefined {
  return first === undefined || second === undefined ? undefined : client(first, second)
}

/** @param reason Why the variable is required; only messages about required variables show it. */
function variable(valid: RegExp | ((text: string) => boolean), expected: string, reason = 'it is required') {
  const isValid = (text: string) => (valid instanceof RegExp ? valid.test(text) : valid(text))
  return z.string(`is not set: ${reason}`).refine(isValid, `must be ${expected}`)
}

function credential(reason?: string) {
  return variable(/^\S{1,512}$/, 'a value without spaces', reason)
}

function wholeNumber(least: number, most: number) {
  const isValid = (text: string) => /^\d{1,10}$/.test(text) && Number(text) >= least && Number(text) <= most
  return variable(isValid, `a whole number from ${least} to ${most}`).transform(Number)
}

function isOrigin(text: string): boolean {
  return /^(https?:\/\/[^/?#@\\]+)\/?$/i.test(text) && URL.canParse(text) && (/^https:/i.test(text) || isLoopback(text))
}

/** An origin, and a plain path if any. */
function isAddress(text: string): boolean {
  const [, origin = '', path = ''] = /^(https?:\/\/[^/?#@\\]+)(.*)$/i.exec(text) ?? []
  return isOrigin(origin) && /^(?:\/[\w\-.~]+)*\/?$/.test(path) && !/\/\.{1,2}(?:\/|$)/.test(path)
}

function originOf(url: string): string {
  return new URL(url).origin
}

function isLoopback(url: string): boolean {
  return URL.canParse(url) && /^(localhost|.+\.localhost|\[::1\]|127(\.\d+){3})$/.test(new URL(url).hostname)
}

function commaList(text: string): readonly string[] {
  return text.split(',').map(entry => entry.trim())
}

function explanation(issues: readonly z.core.$ZodIssue[], received: Values): string {
  const [first, ...others] = issues.map(({ message, path }) => ({ name: String(path[0]), message }))
  if (first === undefined) return 'The environment is invalid.'
  const value = received[first.name]
  const got = value === undefined ? '' : `, got ${printable(first.name, value)}`
  const also = others.length === 0 ? '' : ` Also missing or invalid: ${others.map(({ name }) => name).join(', ')}.`
  return `${first.name} ${first.message}${got}.${also}`
}

function printable(variableName: string, value: string): string {
  if (secrets.includes(variableName)) return 'a value that is hidden because it is secret'
  const text = JSON.stringify(variableName.endsWith('_URL') ? withoutCredentials(value) : value)
  return text.length > 120 ? `${text.slice(0, 120)}…` : text
}
