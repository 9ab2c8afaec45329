#!/usr/bin/env node
import { run } from './program.ts'

const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())

// A reader such as `head` may close the pipe early; the command still completes, with its own exit code.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

process.exitCode = await run(process.argv.slice(2), {
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: interrupted.signal,
})
