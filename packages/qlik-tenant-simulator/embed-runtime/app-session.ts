import enigma from 'enigma.js'
import schema from 'enigma.js/schemas/12.2027.0.json'

/** The app object of enigma.js; charts receive it unchanged. */
export interface EngineApp {
  getField(name: string): Promise<{ selectValues(values: readonly object[]): Promise<boolean> }>
  getObject(id: string): Promise<EngineObject>
}

/** An app object or session object of enigma.js. */
export interface EngineObject {
  getLayout(): Promise<Record<string, unknown>>
}

/** The state of the connection to an app. */
export type AppState =
  | { readonly name: 'connecting' }
  | { readonly name: 'open'; readonly app: EngineApp }
  /** The connection is closed and is not reopened. */
  | { readonly name: 'ended'; readonly reason: string }

/** The app to connect to. */
export interface AppAddress {
  /** Origin of the tenant, or of a proxy with its path prefix. */
  readonly host: string
  readonly appId: string
  readonly identity?: string | undefined
  /** Authentication of the page. With `none` the session cookie of the proxy authenticates the socket. */
  readonly hostConfig?: { readonly authType?: string } | undefined
}

export type AppOpenCallback = (app: EngineApp, appId: string) => unknown

/**
 * Calls `listener` with the state of the connection to an app, now and on every change. All listeners of one app share
 * one socket.
 *
 * A lost connection is reopened with increasing pauses, unless the login has ended or the user cannot open the app.
 *
 * @returns a function that stops listening; the socket closes after the last listener
 */
export function watchApp(address: AppAddress, listener: (state: AppState) => void): () => void {
  const key = JSON.stringify([address.host, address.appId, address.identity, address.hostConfig])
  const shared = connections.get(key) ?? connect(address, () => connections.delete(key))
  connections.set(key, shared)
  return shared.add(listener)
}

/** Calls back with each app that is opened. @returns a function that removes the callback */
export function onAppOpen(callback: AppOpenCallback): () => void {
  openCallbacks.add(callback)
  return () => openCallbacks.delete(callback)
}

const connections = new Map<string, Connection>()
const openCallbacks = new Set<AppOpenCallback>()

interface Connection {
  add(listener: (state: AppState) => void): () => void
}

/** Time that a socket without listeners stays open. */
const idleMs = 1000
const pausesMs = [500, 1000, 2000, 4000, 8000, 16_000]

function connect(address: AppAddress, onUnused: () => void): Connection {
  const listeners = new Set<(state: AppState) => void>()
  let state: AppState = { name: 'connecting' }
  let attempts = 0
  let close = () => {}
  let isUnused = false

  const show = (next: AppState) => {
    state = next
    for (const listener of listeners) listener(state)
  }

  const open = async () => {
    const url = await socketUrl(address).catch(() => undefined)
    if (isUnused) return
    if (url === undefined) return show({ name: 'ended', reason: notLoggedIn })
    const session = enigma.create({ schema, url, createSocket: target => new WebSocket(target) })
    let hasClosed = false
    const onClosed = (code: number) => {
      if (hasClosed || isUnused) return
      hasClosed = true
      void lost(code)
    }
    session.on('closed', (event: unknown) => onClosed(closeCode(event)))
    close = () => void session.close().catch(() => {})
    try {
      const global = (await session.open()) as unknown as { openDoc(id: string): Promise<EngineApp> }
      const app = await global.openDoc(address.appId)
      for (const callback of openCallbacks) await callback(app, address.appId)
      attempts = 0
      show({ name: 'open', app })
    } catch (error) {
      // When a socket closes while opening, the close code is in the error.
      onClosed(closeCode((error as { original?: unknown } | null)?.original))
    }
  }

  const lost = async (code: number) => {
    const reason = finalReasons[code] ?? ((await isLoggedOut(address.host)) ? loginEnded : undefined)
    if (reason) return show({ name: 'ended', reason })
    const pause = pausesMs[attempts++]
    if (pause === undefined)
      return show({ name: 'ended', reason: 'The connection to the app was lost. Reload the page to try again.' })
    show({ name: 'connecting' })
    setTimeout(() => !isUnused && void open(), pause * (0.75 + Math.random() / 2))
  }

  void open()
  return {
    add(listener) {
      listeners.add(listener)
      listener(state)
      return () => {
        listeners.delete(listener)
        // An element that redraws stops listening only briefly.
        setTimeout(() => {
          if (isUnused || listeners.size > 0) return
          isUnused = true
          onUnused()
          close()
        }, idleMs)
      }
    },
  }
}

const notLoggedIn = 'Login failed. Reload the page to try again.'
const loginEnded = 'Your login has ended. Reload the page to log in again.'
const finalReasons: Readonly<Record<number, string>> = {
  4006: loginEnded,
  4203: 'You don’t have access to this app.',
  4204: 'App not found.',
}

async function socketUrl({ host, appId, identity, hostConfig }: AppAddress): Promise<string> {
  const path = `/app/${encodeURIComponent(appId)}${identity ? `/identity/${encodeURIComponent(identity)}` : ''}`
  const query = new URLSearchParams(await socketCredentials(hostConfig)).toString()
  return `${host.replace(/^http/, 'ws')}${path}${query && `?${query}`}`
}

/**
 * Credentials in the URL of a socket. Requested for each socket, because tokens are short-lived. When a login is needed,
 * the page navigates away and the promise never settles.
 */
async function socketCredentials(hostConfig: AppAddress['hostConfig']): Promise<Record<string, string>> {
  if ((hostConfig?.authType ?? 'none') === 'none') return {}
  const { getWebSocketAuthParams } = await import('qlik-api:auth')
  const { queryParams } = await getWebSocketAuthParams({ hostConfig })
  return queryParams
}

function closeCode(event: unknown): number {
  const code = (event as { code?: unknown } | null | undefined)?.code
  return typeof code === 'number' ? code : 1006
}

/** Scripts cannot see the status of a rejected upgrade, so a request checks the login. */
async function isLoggedOut(host: string): Promise<boolean> {
  try {
    const response = await fetch(`${host}/api/v1/users/me`, {
      headers: { accept: 'application/json' },
      redirect: 'manual',
    })
    return response.status === 401
  } catch {
    return false
  }
}
