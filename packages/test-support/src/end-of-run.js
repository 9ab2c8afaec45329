import { spawnSync } from 'node:child_process'

/**
 * A reporter of Jest that ends every run, with a message and exit code 1:
 *
 * - when the tests do not finish within `allTestsMs`, 20 minutes by default;
 * - when a server, a socket or a child process that a test left open keeps Jest alive for `afterTestsMs`, 30 seconds by
 *   default, after the last test.
 */
export default class EndOfRun {
  #running = new Set()
  #options
  #watches
  #timer

  constructor({ watch, watchAll }, options = {}) {
    this.#watches = watch || watchAll
    this.#options = { allTestsMs: 20 * 60_000, afterTestsMs: 30_000, ...options }
  }

  onRunStart() {
    this.#endAfter(this.#options.allTestsMs, () => `The tests take too long. Running: ${[...this.#running].join(', ')}`)
  }

  onTestFileStart({ path }) {
    this.#running.add(path)
  }

  onTestFileResult({ path }) {
    this.#running.delete(path)
  }

  onRunComplete() {
    const open = () => [...new Set(process.getActiveResourcesInfo())].join(', ')
    this.#endAfter(this.#options.afterTestsMs, () => `A test left something open: ${open()}`)
  }

  #endAfter(milliseconds, message) {
    clearTimeout(this.#timer)
    if (!this.#watches) this.#timer = setTimeout(() => end(message()), milliseconds).unref()
  }
}

function end(message) {
  process.stderr.write(`\n${message}\n`)
  // Workers that are busy do not notice that this process has gone.
  spawnSync('pkill', ['-KILL', '-P', String(process.pid)])
  process.exit(1)
}
