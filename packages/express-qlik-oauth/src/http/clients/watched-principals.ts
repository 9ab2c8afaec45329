import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { callApplication } from './call-application.ts'

interface Identity {
  readonly user: string
  readonly id: string
}
interface Session extends Identity {
  /** A copy of the request that opened it, without its connection. */
  readonly request: () => IncomingMessage
  readonly listeners: Set<() => void>
}

/** Notices when the user of a session changes or ends, while sockets or requests of the session are open. */
export class WatchedPrincipals {
  readonly #lookUp: (request: IncomingMessage) => Promise<Partial<Identity> | undefined>
  readonly #recheckMs: number
  readonly #sessions = new Map<string, Session>()
  /** Recent ends, so that a handshake in progress learns of them. */
  readonly #ended: { readonly at: number; readonly key: string }[] = []
  #timer: NodeJS.Timeout | undefined
  #count = 0

  constructor(lookUp: (request: IncomingMessage) => Promise<Partial<Identity> | undefined>, recheckMs: number) {
    this.#lookUp = lookUp
    this.#recheckMs = recheckMs
  }

  get now(): number {
    return this.#count
  }

  /** @param since `now` before the lookup. @returns The `onEnd` of the principal. */
  watch(request: IncomingMessage, identity: Identity, since: number): (listener: () => void) => () => void {
    const copy = copyOf(request)
    return listener => {
      const keys = [`id ${identity.id}`, `user ${identity.user}`]
      if (this.#ended.some(({ at, key }) => at > since && keys.includes(key))) {
        queueMicrotask(() => callApplication(listener))
        return () => {}
      }
      const name = JSON.stringify([identity.id, identity.user])
      const session = this.#sessions.get(name) ?? { ...identity, request: copy, listeners: new Set() }
      this.#sessions.set(name, session)
      const own = (): void => listener()
      session.listeners.add(own)
      this.#timer ??= setInterval(() => void this.#recheck(), this.#recheckMs).unref()
      return () => {
        session.listeners.delete(own)
        if (session.listeners.size > 0 || this.#sessions.get(name) !== session) return
        this.#sessions.delete(name)
        this.#stopWhenIdle()
      }
    }
  }

  end(ended: { readonly id: string } | { readonly user: string }): void {
    this.#count += 1
    this.#ended.push({ at: this.#count, key: 'id' in ended ? `id ${ended.id}` : `user ${ended.user}` })
    if (this.#ended.length > maxEnded) this.#ended.shift()
    for (const [name, session] of this.#sessions) {
      if ('id' in ended ? session.id === ended.id : session.user === ended.user) this.#endSession(name, session)
    }
  }

  /** One lookup per session, one after another: the cost does not grow with the sockets. */
  async #recheck(): Promise<void> {
    for (const [name, session] of [...this.#sessions]) {
      try {
        const found = await this.#lookUp(session.request())
        if (found?.user !== session.user || (found.id ?? found.user) !== session.id) this.#endSession(name, session)
      } catch (error) {
        // While the session store is unavailable no login ends.
        if (Number(Reflect.get(Object(error), 'status')) < 500) this.#endSession(name, session)
      }
    }
  }

  #endSession(name: string, session: Session): void {
    if (this.#sessions.get(name) === session) this.#sessions.delete(name)
    for (const listener of session.listeners) callApplication(listener)
    session.listeners.clear()
    this.#stopWhenIdle()
  }

  #stopWhenIdle(): void {
    if (this.#sessions.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

const maxEnded = 1000

function copyOf({ method, url, headers }: IncomingMessage): () => IncomingMessage {
  return () => Object.assign(new IncomingMessage(new Socket()), { method, url, headers: { ...headers } })
}
