/** A user of the tenant: a person, or the bot user of a machine-to-machine client. */
export interface TenantUser {
  readonly id: string
  readonly name: string
  readonly email: string
  /** The user's subject at the identity provider. */
  readonly subject: string
  /** @default 'active' */
  readonly status?: 'active' | 'disabled'
  /** Roles such as `TenantAdmin`. @default [] */
  readonly roles?: readonly string[]
  /** Ids of the spaces whose apps the user can open. @default [] */
  readonly spaces?: readonly string[]
  /** One line below the name on the login page. @default the email */
  readonly description?: string
  /** Client id, for the bot user of a machine-to-machine client. */
  readonly clientId?: string
}

/** The users of a tenant. */
export interface UserDirectory {
  readonly all: readonly TenantUser[]
  find(id: string): TenantUser | undefined
  findBySubject(subject: string): TenantUser | undefined
  put(user: TenantUser): TenantUser
  remove(id: string): boolean
  /** The bot user of a machine-to-machine client; created with the client's first token. */
  botOf(clientId: string): TenantUser
}

/** Creates a directory. */
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
