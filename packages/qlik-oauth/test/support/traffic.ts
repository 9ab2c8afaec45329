import { type LoginStore, QlikOAuthError } from '../../src/index.ts'
import { tour } from './login-store-tour.ts'

/** Users who log in, read and log out all the time. */
export interface Traffic {
  readonly succeeded: number
  /** With ERR_STORE_UNAVAILABLE; any other error rejects `stop`. */
  readonly failed: number
  stop(): Promise<void>
}

export function startTraffic(store: LoginStore): Traffic {
  let succeeded = 0
  let failed = 0
  let stopped = false
  const users = Array.from({ length: 5 }, async () => {
    while (!stopped) {
      await tour(store).then(
        () => succeeded++,
        error => {
          if (!(error instanceof QlikOAuthError)) throw error
          failed++
        },
      )
    }
  })
  return {
    get succeeded() {
      return succeeded
    },
    get failed() {
      return failed
    },
    async stop() {
      stopped = true
      await Promise.all(users)
    },
  }
}
