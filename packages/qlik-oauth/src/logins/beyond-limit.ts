import type { LoginRecord } from '../stores/login-store.ts'

interface DatedLogin {
  readonly key: string
  readonly record: Pick<LoginRecord, 'createdAt'>
}

/**
 * The logins of a user beyond a limit, oldest first.
 *
 * The newest ones are the same in every process, whichever of the others it sees: two logins at once never end both.
 */
export function beyondLimit<Login extends DatedLogin>(logins: readonly Login[], limit: number): readonly Login[] {
  return [...logins].sort(byAge).slice(0, -limit)
}

function byAge(one: DatedLogin, other: DatedLogin): number {
  return one.record.createdAt - other.record.createdAt || (one.key < other.key ? -1 : 1)
}
