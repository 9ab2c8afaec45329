/** Runs the requested sections one after another. `pnpm bench --help` lists them and the options. */
import { cpus } from 'node:os'
import { loginCost } from './sections/login-cost.ts'
import { requests } from './sections/requests.ts'
import { sockets } from './sections/sockets.ts'
import { stampede } from './sections/stampede.ts'
import { storedLogins } from './sections/stored-logins.ts'
import { option, quick } from './support/arguments.ts'
import { cleanUp, stop } from './support/children.ts'
import { print } from './support/table.ts'

const usage = `pnpm bench [options]

Measures what this proxy and its logins cost, beside other ways of doing it, and prints Markdown tables. BENCHMARKS.md says how to read them.
All of it takes about nine minutes. Needs Linux with redis-server, nginx, wrk and taskset.

  --section=a,b   only these: requests, stampede, login, stored, sockets
  --quick         fewer and shorter rounds, less than four minutes; without the sockets, unless they are asked for
  --only=name     requests: the subjects with this in their names
  --load=title    requests: the loads whose titles begin so; --only and --load imply --section=requests
  --cpu-prof      writes a profile of every Node process that is measured to qlik-bench-profiles in the temporary directory
`

const sections: Readonly<Record<string, { readonly title: string; readonly run: () => Promise<void> }>> = {
  requests: { title: 'Requests', run: requests },
  stampede: { title: 'Refresh stampede', run: stampede },
  login: { title: 'Login', run: loginCost },
  stored: { title: 'Stored logins', run: storedLogins },
  sockets: { title: 'WebSockets', run: sockets },
}

const unknown = chosen().find(name => sections[name] === undefined)
try {
  if (unknown !== undefined) process.exitCode = 2
  if (unknown !== undefined || process.argv.includes('--help')) print(usage)
  else await measure(chosen())
} finally {
  await cleanUp()
}

function chosen(): readonly string[] {
  if (option('section') !== '') return option('section').split(',')
  if (option('only') !== '' || option('load') !== '') return ['requests']
  return Object.keys(sections).filter(name => !quick || name !== 'sockets')
}

async function measure(names: readonly string[]): Promise<void> {
  print(`Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, ${new Date().toISOString().slice(0, 10)}\n`)
  for (const name of names) {
    print(`## ${sections[name]?.title}\n`)
    await sections[name]?.run()
    await stop()
  }
}
