import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { AnalyticsApp } from '../apps/catalogue.ts'
import type { FaultScript } from '../controls/faults.ts'
import type { RequestLog } from '../controls/request-log.ts'
import { createEngine, type Engine } from '../engine/engine.ts'
import { maySeeApp } from '../rest/apps.ts'
import type { ClientDirectory } from '../tenant/clients.ts'
import { loginSessions } from '../tenant/login-sessions.ts'
import type { Settings } from '../tenant/options.ts'
import { resources, type Space } from '../tenant/resources.ts'
import type { TenantState, Tier } from '../tenant/state.ts'
import { tokenVault } from '../tenant/tokens.ts'
import type { UserDirectory } from '../tenant/users.ts'
import { handleRequest } from './requests.ts'
import { handleUpgrade } from './upgrades.ts'

/** Shared by the tenant, its region host and its organization host. */
export interface Simulation {
  readonly settings: Settings
  readonly users: UserDirectory
  readonly clients: ClientDirectory
  readonly log: RequestLog
  readonly faults: FaultScript
}

/** Apps and spaces of a host. */
export interface HostContents {
  readonly apps: readonly AnalyticsApp[]
  readonly spaces: readonly Space[]
}

/** A listening host of the simulation. */
export interface Host {
  readonly state: TenantState
  readonly engine: Engine
  setActive(active: boolean): void
  close(): Promise<void>
}

/**
 * Starts one host of the simulation: a server with its own state, tokens and engine.
 *
 * @throws the system error of `listen`, such as `EADDRINUSE`
 */
export async function listen(
  { settings, users, clients, log, faults }: Simulation,
  tier: Tier,
  port: number,
  contents: HostContents,
  createChild: TenantState['createTenant'],
): Promise<Host> {
  let active = true
  const apps = [...contents.apps]
  const usedNames = new Map<string, number>()
  const engineSockets = new Map<Duplex, string>()
  const server = createServer({ keepAliveTimeout: 65_000 })
  const connections = new Set<Socket>()
  server.on('connection', socket => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  await listening(server, port, settings.host)
  const origin = `http://${settings.hostname}:${(server.address() as AddressInfo).port}`
  const issuer = settings.issuer ?? origin

  const state: TenantState = {
    tier,
    origin,
    issuer,
    tenantId: randomBytes(16).toString('base64url').replaceAll(/[-_]/g, 'q'),
    settings,
    users,
    clients,
    tokens: tokenVault(settings, () => issuer),
    sessions: loginSessions(() => `qlik-login-${new URL(origin).port}`, settings.now, settings.loginSeconds),
    resources: resources(contents.spaces),
    apps,
    accepts: client => (tier === 'tenant' ? client.tier !== 'organization' : client.tier === tier),
    firstUse(name, expiresAt) {
      for (const [used, until] of usedNames) if (until <= settings.now()) usedNames.delete(used)
      if (usedNames.has(name)) return false
      usedNames.set(name, expiresAt)
      return true
    },
    anonymousUser() {
      const id = `guest-${randomUUID()}`
      return users.put({ id, name: 'Guest', email: '', subject: `anonymous|${id}`, spaces: ['space-analytics'] })
    },
    closeSockets(revoked) {
      if (!settings.revokeClosesSockets) return
      const families = new Set(revoked.map(token => token.family))
      for (const [socket, family] of engineSockets) if (families.has(family)) socket.destroy()
    },
    active: () => active,
    createTenant: createChild,
  }

  const engine = createEngine({
    apps,
    mayOpen: ({ id, isAdmin }, app) => {
      const user = users.find(id)
      return user !== undefined && (maySeeApp(user, app) || isAdmin === true)
    },
  })
  const onAuthenticated = (family: string, socket: Duplex) => {
    engineSockets.set(socket, family)
    socket.once('close', () => engineSockets.delete(socket))
  }
  server.on('request', (request, response) => void handleRequest(state, log, faults, request, response))
  server.on(
    'upgrade',
    (request, socket, head) =>
      void handleUpgrade({ state, log, faults, engine, onAuthenticated }, request, socket, head),
  )

  return {
    state,
    engine,
    setActive(value) {
      active = value
    },
    async close() {
      const closed = new Promise(resolve => server.close(resolve))
      await engine.close()
      for (const socket of connections) socket.destroy()
      await closed
    },
  }
}

async function listening(server: Server, port: number, host: string): Promise<void> {
  server.listen(port, host)
  await once(server, 'listening')
}
