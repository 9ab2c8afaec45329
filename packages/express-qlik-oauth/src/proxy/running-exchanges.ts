/** What the shared clock looks at. */
export interface Ticking {
  /** @param now Milliseconds, as `RunningExchanges.now`. */
  tick(now: number): void
}

/**
 * The exchanges under way, and one clock for all of them: most end before it ticks once, so what only long ones need
 * costs short ones nothing.
 */
export class RunningExchanges<Exchange extends Ticking> {
  readonly #running = new Set<Exchange>()
  #timer: NodeJS.Timeout | undefined
  /** Milliseconds of the last tick. */
  now = performance.now()

  add(exchange: Exchange): void {
    this.#running.add(exchange)
    if (this.#timer !== undefined) return
    this.now = performance.now()
    this.#timer = setInterval(() => this.#tick(), tickMs).unref()
  }

  delete(exchange: Exchange): void {
    this.#running.delete(exchange)
  }

  [Symbol.iterator](): IterableIterator<Exchange> {
    return this.#running.values()
  }

  #tick(): void {
    this.now = performance.now()
    for (const exchange of this.#running) exchange.tick(this.now)
    if (this.#running.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

const tickMs = 250
