/** What was promised and whether it held: one line each, as it is known. */
export interface Promises {
  /**
   * Runs a check and prints its line. A failed check does not end the run.
   *
   * @param check Throws when the promise does not hold. What it returns is printed behind the promise.
   */
  hold(promise: string, check: () => Promise<string | undefined>): Promise<void>
  skip(promise: string, reason: string): void
  readonly failed: number
}

export function printPromises(print: (line: string) => void): Promises {
  let failed = 0
  return {
    async hold(promise, check) {
      const start = performance.now()
      try {
        const seen = await check()
        const seconds = ((performance.now() - start) / 1000).toFixed(1)
        print(`ok      ${promise} (${[seen, `${seconds} s`].filter(Boolean).join(', ')})`)
      } catch (error) {
        failed += 1
        print(`FAILED  ${promise}: ${error instanceof Error ? error.message.split('\n')[0] : error}`)
      }
    },
    skip: (promise, reason) => print(`skipped ${promise}: ${reason}`),
    get failed() {
      return failed
    },
  }
}

/** @throws Error with `message` when the condition does not hold. */
export function expectThat(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message)
}
