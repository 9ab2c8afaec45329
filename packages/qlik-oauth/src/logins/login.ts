import type { LoginRecord } from '../stores/login-store.ts'
import type { TokenSource } from '../tokens/token-source.ts'

/** A login that is valid now. As a token source it refreshes its tokens once over all processes. */
export interface Login extends TokenSource {
  /** Name of the login in the store: a hash, no secret. */
  readonly key: string
  readonly record: LoginRecord
}
