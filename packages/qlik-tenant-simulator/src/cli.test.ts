import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'

const script = fileURLToPath(new URL('cli.ts', import.meta.url))

function run(...flags: string[]): ChildProcess {
  return spawn(process.execPath, ['--conditions=source', '--import', import.meta.resolve('tsx'), script, ...flags])
}

async function failed(child: ChildProcess): Promise<never> {
  const { code, errors } = await outcome(child)
  throw new Error(`exited with ${String(code)}: ${errors}`)
}

async function outcome(child: ChildProcess): Promise<{ code: unknown; output: string; errors: string }> {
  let output = ''
  let errors = ''
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const [code] = (await once(child, 'close')) as unknown[]
  return { code, output, errors }
}

describe('qlik-tenant-simulator', () => {
  it('prints its origin, users and clients, and serves until SIGTERM', async () => {
    const child = run('--port', '0', '--application', 'http://localhost:3456')
    const [chunk] = (await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), failed(child)])) as [
      Buffer,
    ]
    const origin = /tenant at (\S+)/.exec(chunk.toString())?.[1]
    expect(chunk.toString()).toMatch(/ada[\s\S]+demo-web\s+web\s+demo-web-secret/)
    expect((await fetch(`${origin}/.well-known/oauth-authorization-server`)).status).toBe(200)
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  it('registers the callback below the path of an application', async () => {
    const child = run('--port', '0', '--application', 'http://localhost:3456/portal/')
    const [chunk] = (await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), failed(child)])) as [
      Buffer,
    ]
    const url = new URL('/oauth/authorize', /tenant at (\S+)/.exec(chunk.toString())?.[1])
    const parameters = { client_id: 'demo-web', response_type: 'code', state: 's', code_challenge_method: 'S256' }
    url.search = `${new URLSearchParams({ ...parameters, code_challenge: 'x'.repeat(43) })}`
    const statusFor = async (redirectUri: string) => {
      url.searchParams.set('redirect_uri', redirectUri)
      return (await fetch(url, { redirect: 'manual' })).status
    }
    expect(await statusFor('http://localhost:3456/auth/callback')).toBe(400)
    expect(await statusFor('http://localhost:3456/portal/auth/callback')).toBeLessThan(400)
    child.kill('SIGTERM')
    await once(child, 'exit')
  })

  it('listens on the given region port', async () => {
    const free = createServer().listen(0, '127.0.0.1')
    await once(free, 'listening')
    const { port } = free.address() as AddressInfo
    free.close()
    await once(free, 'close')
    const child = run('--port', '0', '--region-port', String(port))
    await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), failed(child)])
    expect((await fetch(`http://127.0.0.1:${port}/.well-known/oauth-authorization-server`)).status).toBe(200)
    child.kill('SIGTERM')
    await once(child, 'exit')
  })

  it.each([
    [['--port', 'http'], /--port must be a whole number/],
    [['--prot', '4000'], /Unknown option '--prot'/],
    [['--application', 'localhost:3000/x'], /--application must be a URL/],
    [['--application', 'http://localhost:3000/x?y'], /--application must be a URL/],
    [['--port', '0', '--redirect-uri', 'ftp://localhost/'], /demo-web.*Redirect URI must be/],
  ])('rejects %j with a one-line message', async (flags, message) => {
    const { code, errors } = await outcome(run(...flags))
    expect(code).toBe(1)
    expect(errors.trimEnd()).toMatch(message)
    expect(errors.trimEnd()).not.toContain('\n')
  })

  it('ends quietly when the reader of its help closes the pipe', async () => {
    const child = run('--help')
    child.stdout?.destroy()
    expect(await outcome(child)).toMatchObject({ code: 0, errors: '' })
  })

  it('reports a port that is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const { code, errors } = await outcome(run('--port', String(port)))
    other.close()
    expect({ code, errors }).toEqual({
      code: 1,
      errors: expect.stringMatching(/^qlik-tenant-simulator: the port is in use.*--port or --region-port\n$/),
    })
  })
})
