import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from '@jest/globals'

describe('the example', () => {
  it.each([
    ['machine-to-machine.ts', ['I am qlikbot\\demo-m2m', 'App: ']],
    ['impersonation.ts', ['Reading as ', 'App: ']],
    ['anonymous.ts', ['The tenant calls this visitor Guest']],
    ['native-login.ts', ['Logged in as', 'Granted: user_default offline_access']],
    [
      'onboarding.ts',
      ['Created http://localhost', 'Configured the space Analytics', 'Registered the client', 'Imported the app Sales'],
    ],
    ['register-web-client.ts', ['Registered Express application', 'web: Express application']],
  ])('%s runs against a simulated tenant', async (name, lines) => {
    const example = fileURLToPath(new URL(`../examples/${name}`, import.meta.url))
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ['--conditions=source', '--import', import.meta.resolve('tsx'), example],
      { env: { PATH: process.env.PATH } },
    )
    for (const line of lines) expect(stdout).toContain(line)
    expect(stderr).toBe('')
  })
})
