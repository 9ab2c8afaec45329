/** A person, or the bot of a machine-to-machine client, in the simulated tenant. */
export interface TenantUser {
  readonly id: string
  readonly name: string
  readonly email: string
  /** The identity provider's name for this user. */
  readonly subject: string
  /** @default 'active' */
  readonly status?: 'active' | 'disabled'
  /** Roles such as `TenantAdmin`. @default [] */
  readonly roles?: readonly string[]
  /** Ids of the spaces whose apps this user sees. @default [] */
  readonly spaces?: readonly string[]
  /** One line for the login page. */
  readonly description?: string
  /** Set on the bot of a machine-to-machine client. */
  readonly clientId?: string
}

export const defaultUsers: readonly TenantUser[] = [
  {
    id: 'ada',
    name: 'Ada Lovelace',
    email: 'ada@example.com',
    subject: 'idp|ada',
    roles: ['AnalyticsDeveloper'],
    spaces: ['space-analytics', 'space-finance'],
    description: 'Analytics developer: sees every app',
  },
  {
    id: 'ben',
    name: 'Ben Okafor',
    email: 'ben@example.com',
    subject: 'idp|ben',
    spaces: ['space-analytics'],
    description: 'Business user: sees the apps of the shared space',
  },
  {
    id: 'cleo',
    name: 'Cleo Marchetti',
    email: 'cleo@example.com',
    subject: 'idp|cleo',
    description: 'New colleague: sees no app yet',
  },
  {
    id: 'tess',
    name: 'Tess Nakamura',
    email: 'tess@example.com',
    subject: 'idp|tess',
    roles: ['TenantAdmin'],
    spaces: ['space-analytics', 'space-finance'],
    description: 'Tenant administrator',
  },
  {
    id: 'dan',
    name: 'Dan Petrov',
    email: 'dan@example.com',
    subject: 'idp|dan',
    status: 'disabled',
    description: 'Left the company: disabled',
  },
]

export interface UserDirectory {
  readonly all: readonly TenantUser[]
  find(id: string): TenantUser | undefined
  findBySubject(subject: string): TenantUser | undefined
  put(user: TenantUser): TenantUser
  remove(id: string): boolean
  /** The user that a machine-to-machine client acts as; created at its first token. */
  botOf(clientId: string): TenantUser
}

export function userDirectory(initial: readonly TenantUser[]): UserDirectory {
  const users: TenantUser[] = [...initial]
  const find = (id: string) => users.find(user => user.id === id)
  const put = (user: TenantUser) => {
    const at = users.findIndex(other => other.id === user.id)
    if (at < 0) users.push(user)
    else users[at] = user
    return user
  }

  return {
    all: users,
    find,
    findBySubject: subject => users.find(user => user.subject === subject),
    put,
    remove(id) {
      const at = users.findIndex(user => user.id === id)
      if (at >= 0) users.splice(at, 1)
      return at >= 0
    },
    botOf: clientId =>
      find(`bot-${clientId}`) ??
      put({
        id: `bot-${clientId}`,
        name: `qlikbot\\${clientId}`,
        email: `${clientId}@qlikbot.example.com`,
        subject: `qlikbot\\${clientId}`,
        roles: ['TenantAdmin'],
        clientId,
      }),
  }
}
