/** Called by the shared timer. */
export interface Ticking {
  /** Position in the list of running exchanges. */
  index: number
  /** @param now Milliseconds, as `RunningExchanges.now`. */
  tick(now: number): void
}

/** The exchanges in progress, with one timer for all of them instead of one for each. */
export class RunningExchanges<Exchange extends Ticking> {
  // Not a Set: it retains deleted entries until it rehashes, which delays garbage collection.
  readonly #running: Exchange[] = []
  #timer: NodeJS.Timeout | undefined
  /** Milliseconds of the last tick. */
  now = performance.now()
  /** Whether the server shuts down. */
  draining = false

  add(exchange: Exchange): void {
    exchange.index = this.#running.push(exchange) - 1
    if (this.#timer !== undefined) return
    this.now = performance.now()
    this.#timer = setInterval(() => this.#tick(), tickMs).unref()
  }

  delete(exchange: Exchange): void {
    const last = this.#running.pop()
    if (last === undefined || last === exchange) return
    this.#running[exchange.index] = last
    last.index = exchange.index
  }

  all(): readonly Exchange[] {
    return [...this.#running]
  }

  #tick(): void {
    this.now = performance.now()
    for (const exchange of this.all()) exchange.tick(this.now)
    if (this.#running.length > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

const tickMs = 250
