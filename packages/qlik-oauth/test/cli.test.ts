import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { createTenant, type SimulatedTenant } from 'qlik-tenant-simulator'
import { run } from '../src/cli/program.ts'

interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

let tenant: SimulatedTenant
let home: string
const outputs: string[] = []

beforeAll(async () => {
  tenant = await createTenant()
  home = await mkdtemp(join(tmpdir(), 'qlik-oauth-cli-'))
})
afterAll(async () => {
  await tenant.close()
  await rm(home, { recursive: true })
})

const machine = () => ({
  QLIK_TENANT_URL: tenant.origin,
  QLIK_M2M_CLIENT_ID: 'demo-m2m',
  QLIK_M2M_CLIENT_SECRET: 'demo-m2m-secret',
})

describe('qlik-oauth login', () => {
  it('logs a user in through the browser, acts as the user, and logs out', async () => {
    const admin = tenant.users.find(({ roles }) => roles?.includes('TenantAdmin'))
    const loggedIn = await login(admin?.id ?? '')
    expect(loggedIn).toMatchObject({ code: 0, stdout: `Logged in at ${tenant.origin} as ${admin?.name}.\n` })
    const file = join(home, 'config', 'qlik-oauth', 'logins.json')
    expect((await stat(file)).mode & 0o777).toBe(0o600)

    const who = await cli(['whoami', '--json'])
    expect(JSON.parse(who.stdout)).toMatchObject({ tenant: tenant.origin, user: { id: admin?.id }, machine: false })

    expect(await cli(['logout'])).toMatchObject({ code: 0, stdout: `Logged out at ${tenant.origin}.\n` })
    expect(await cli(['whoami'])).toMatchObject({ code: 3, stderr: expect.stringContaining('Not logged in') })
    expect(tenant.requests.filter(({ path }) => path === '/oauth/revoke')).toHaveLength(2)
  })

  it('refreshes the tokens once for commands that run at the same time', async () => {
    await login(tenant.users[0]?.id ?? '')
    const file = join(home, 'config', 'qlik-oauth', 'logins.json')
    const saved = JSON.parse(await readFile(file, 'utf8'))
    saved.logins[0].tokens.expiresAt = 0
    await writeFile(file, JSON.stringify(saved))
    const before = tenant.tokenRequests('refresh_token').length
    const outcomes = await Promise.all([start(['token']).ended, start(['token']).ended, cli(['token'])])
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0])
    expect(new Set(outcomes.map(({ stdout }) => stdout)).size).toBe(1)
    expect(tenant.tokenRequests('refresh_token')).toHaveLength(before + 1)
  })

  it('exits with 130 when it is interrupted', async () => {
    const { child, ended } = await waitingLogin()
    child.kill('SIGINT')
    expect(await ended).toMatchObject({ code: 130, stdout: '' })
  })

  it('refuses a file of logins that other users can read', async () => {
    const file = join(home, 'config', 'qlik-oauth', 'logins.json')
    await chmod(file, 0o644)
    expect(await cli(['whoami'])).toMatchObject({ code: 2, stderr: expect.stringContaining('chmod 600') })
    await chmod(file, 0o600)
  })
})

describe('qlik-oauth as a machine', () => {
  it('shares one token between commands', async () => {
    const before = tenant.tokenRequests('client_credentials').length
    const first = await cli(['whoami'], { env: machine() })
    expect(first).toMatchObject({ code: 0, stdout: expect.stringContaining('a machine') })
    await cli(['token'], { env: machine() })
    expect(tenant.tokenRequests('client_credentials')).toHaveLength(before + 1)
  })

  it('calls the REST API, sends standard input, and follows redirects on the tenant', async () => {
    const me = await cli(['api', 'GET', '/api/v1/users/me'], { env: machine() })
    expect(JSON.parse(me.stdout)).toMatchObject({ subject: 'qlikbot\\demo-m2m' })
    const created = await cli(['api', 'POST', '/api/v1/spaces'], {
      env: machine(),
      input: '{"name":"Sales","type":"shared"}',
    })
    expect(JSON.parse(created.stdout)).toMatchObject({ name: 'Sales' })
  })

  it('exits with 3 when the tenant refuses the request, and prints the response', async () => {
    const refused = await cli(['api', 'GET', '/api/v1/apps/nowhere'], { env: machine() })
    expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('returned 404') })
    expect(JSON.parse(refused.stdout)).toHaveProperty('errors')
    const wrong = await cli(['token', '--json'], {
      env: { ...machine(), QLIK_M2M_CLIENT_SECRET: 'wrong', XDG_CACHE_HOME: join(home, 'other') },
    })
    expect(wrong.code).toBe(3)
    expect(JSON.parse(wrong.stderr)).toMatchObject({
      error: { code: 'ERR_TOKEN_REFUSED', message: expect.stringContaining('OAUTH-22') },
    })
  })

  it('exits with 3 for a 503, and with 1 for a redirect to another host', async () => {
    tenant.faults.next({ path: '/api/v1/items', status: 503 })
    const failed = await cli(['api', 'GET', '/api/v1/items', '--json'], { env: machine() })
    expect(failed.code).toBe(3)
    expect(JSON.parse(failed.stderr)).toMatchObject({ error: { code: 'ERR_TENANT_REFUSED' } })

    tenant.faults.next({ path: '/api/v1/items', status: 302, headers: { location: 'https://elsewhere.example/' } })
    const redirected = await cli(['api', 'GET', '/api/v1/items', '--json'], { env: machine() })
    expect(redirected.code).toBe(1)
    expect(JSON.parse(redirected.stderr)).toMatchObject({ error: { code: 'ERR_TENANT_RESPONSE' } })
  })

  it('exits with 4 when the tenant is unreachable', async () => {
    const closed = await createTenant()
    await closed.close()
    expect(await cli(['whoami'], { env: { ...machine(), QLIK_TENANT_URL: closed.origin } })).toMatchObject({ code: 4 })
  })
})

describe('qlik-oauth clients', () => {
  it('registers a web client and writes the variables of the demo', async () => {
    const file = join(home, '.env')
    await writeFile(file, 'PORT=3000\nQLIK_CLIENT_ID=\n')
    const created = await cli(
      ['clients', 'create', '--type', 'web', '--name', 'Reports', '--write-env', file, '--json'],
      {
        env: machine(),
      },
    )
    expect(created.code).toBe(0)
    const { clientId, clientSecret } = JSON.parse(created.stdout)
    expect(clientSecret).toBeUndefined()
    const registered = tenant.clients.find(client => client.clientId === clientId)
    expect(registered).toMatchObject({ clientName: 'Reports', redirectUris: ['http://localhost:3000/auth/callback'] })
    expect(await readFile(file, 'utf8')).toBe(
      `PORT=3000\nQLIK_TENANT_URL=${tenant.origin}\nQLIK_CLIENT_ID=${clientId}\nQLIK_CLIENT_SECRET=${registered?.clientSecret}\nQLIK_SCOPE='user_default offline_access'\n`,
    )
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(created.stdout + created.stderr).not.toContain(registered?.clientSecret)
  })

  it('does not call the tenant when the file already has values, unless forced', async () => {
    const file = join(home, 'taken.env')
    await writeFile(file, 'QLIK_CLIENT_SECRET=precious\n')
    const parameters = ['clients', 'create', '--type', 'web', '--write-env', file]
    const before = tenant.clients.length
    expect(await cli(parameters, { env: machine() })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('already has a value for QLIK_CLIENT_SECRET.'),
    })
    expect(tenant.clients).toHaveLength(before)
    expect(await readFile(file, 'utf8')).toBe('QLIK_CLIENT_SECRET=precious\n')
    expect(await cli([...parameters, '--force'], { env: machine() })).toMatchObject({ code: 0 })
    expect(await readFile(file, 'utf8')).not.toContain('precious')
  })

  it('lists, shows, rotates and deletes', async () => {
    const created = await cli(['clients', 'create', '--type', 'web', '--name', 'Short-lived', '--json'], {
      env: machine(),
    })
    const { clientId, clientSecret } = JSON.parse(created.stdout)
    expect(
      (await cli(['clients', 'list', '--filter', 'clientName eq "Short-lived"'], { env: machine() })).stdout,
    ).toContain(clientId)
    expect((await cli(['clients', 'show', clientId], { env: machine() })).stdout).not.toContain(clientSecret)

    const rotated = await cli(['clients', 'rotate-secret', clientId, '--delete-old'], { env: machine() })
    expect(tenant.clients.find(client => client.clientId === clientId)?.clientSecret).toBe(rotated.stdout.trim())

    expect(await cli(['clients', 'delete', clientId], { env: machine() })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--yes'),
    })
    expect(await cli(['clients', 'delete', clientId, '--yes'], { env: machine() })).toMatchObject({ code: 0 })
    expect(tenant.clients.some(client => client.clientId === clientId)).toBe(false)
  })
})

describe('qlik-oauth keys', () => {
  it('generates a key pair with which a machine client authenticates', async () => {
    const [secretKey, publicKey] = [join(home, 'private.jwk'), join(home, 'public.jwk')]
    const generated = await cli(['keys', 'generate', '--out', secretKey])
    expect(JSON.parse(generated.stdout)).not.toHaveProperty('d')
    expect((await stat(secretKey)).mode & 0o777).toBe(0o600)
    await writeFile(publicKey, generated.stdout)
    const parameters = [
      'clients',
      'create',
      '--type',
      'web',
      '--grant',
      'client_credentials',
      '--public-key',
      publicKey,
      '--json',
    ]
    const { clientId } = JSON.parse((await cli(parameters, { env: machine() })).stdout)
    const env = { QLIK_TENANT_URL: tenant.origin, QLIK_M2M_CLIENT_ID: clientId, QLIK_M2M_PRIVATE_KEY_FILE: secretKey }
    expect(await cli(['whoami'], { env })).toMatchObject({ code: 0, stdout: expect.stringContaining(clientId) })
    expect(await cli(['keys', 'generate', '--out', secretKey])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('the file exists'),
    })
  })
})

describe('invalid command lines', () => {
  it.each([
    [['clints'], 'Did you mean clients?'],
    [['clients', 'lst'], 'Did you mean list?'],
    [['whoami', '--jsn'], 'Did you mean --json?'],
    [['clients', 'create', '--type', 'website'], 'Allowed choices are web, native, spa, anonymous-embed'],
    [['api', 'GET', 'https://evil.example/'], 'must begin with one slash'],
    [['api', 'GET', '//evil.example/'], 'must begin with one slash'],
    [['whoami', '--tenant', 'acme.eu.qlikcloud.com'], 'Did you mean "https://acme.eu.qlikcloud.com"?'],
  ])('exits with 2 and a hint for %j', async (parameters, advice) => {
    expect(await cli(parameters, { env: machine() })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(advice),
    })
  })

  it('print the help', async () => {
    expect(await cli(['--help'])).toMatchObject({ code: 0, stdout: expect.stringContaining('Exit codes') })
  })
})

describe('a reader that closes the pipe', () => {
  it.each([
    [['--help'], 'stdout', 0],
    [['clients', 'lst'], 'stderr', 2],
  ] as const)('of %j %s leaves the exit code as it is and prints no stack trace', async (parameters, closed, code) => {
    const { child, ended } = start(parameters)
    child[closed]?.destroy()
    expect(await ended).toMatchObject({ code, stderr: '' })
  })
})

it('no command prints a secret that was not requested', () => {
  const printed = outputs.join('\n')
  for (const secret of tenant.issuedSecrets()) expect(printed).not.toContain(secret)
})

/** Runs a command in this process. */
async function cli(
  parameters: readonly string[],
  { env = {}, input = '' }: { env?: Record<string, string>; input?: string } = {},
): Promise<Outcome> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const output = Promise.all([text(stdout), text(stderr)])
  const code = await run(parameters, {
    env: { ...directories(), ...env },
    stdin: Readable.from([input]),
    stdout,
    stderr,
    signal: new AbortController().signal,
  })
  stdout.end()
  stderr.end()
  const [out, err] = await output
  return recorded(parameters, { code, stdout: out, stderr: err })
}

/** Runs a command in a process of its own. */
function start(parameters: readonly string[]): { child: ChildProcess; ended: Promise<Outcome> } {
  const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
  const child = spawn(
    process.execPath,
    ['--conditions=source', '--import', import.meta.resolve('tsx'), main, ...parameters],
    {
      env: { PATH: process.env.PATH, ...directories() },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', chunk => {
    output.stdout += chunk
  })
  child.stderr.on('data', chunk => {
    output.stderr += chunk
  })
  const ended = once(child, 'close').then(([code]) => recorded(parameters, { code, ...output }))
  return { child, ended }
}

function directories() {
  return { XDG_CONFIG_HOME: join(home, 'config'), XDG_CACHE_HOME: join(home, 'cache') }
}

function recorded(parameters: readonly string[], outcome: Outcome): Outcome {
  const requested = parameters[0] === 'token' || parameters.includes('create') || parameters.includes('rotate-secret')
  outputs.push(requested ? outcome.stderr : outcome.stdout + outcome.stderr)
  return outcome
}

/** Starts a login and waits for the URL that the user has to open. */
async function waitingLogin(): Promise<{ child: ChildProcess; ended: Promise<Outcome>; address: string }> {
  const { child, ended } = start(['login', '--tenant', tenant.origin, '--client-id', 'demo-native', '--no-browser'])
  const address = await new Promise<string>((resolve, reject) => {
    let output = ''
    child.stderr?.on('data', chunk => {
      output += chunk
      const [url] = /http\S+authorize\S+(?=\n)/.exec(output) ?? []
      if (url !== undefined) resolve(url)
    })
    child.once('close', () => reject(new Error(`login ended: ${output}`)))
  })
  return { child, ended, address }
}

/** Logs a user in who opens the printed URL. */
async function login(userId: string): Promise<Outcome> {
  const { ended, address } = await waitingLogin()
  await fetch(await tenant.authorize(address, userId))
  return ended
}
