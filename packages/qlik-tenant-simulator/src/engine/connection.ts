import type { WebSocket } from 'ws'
import type { AnalyticsApp } from '../apps/analytics-app.ts'
import { docMethods } from './doc-methods.ts'
import { fieldMethods } from './field-methods.ts'
import type { GenericObject } from './generic-object.ts'
import { globalMethods } from './global-methods.ts'
import { isObject, type JsonObject } from './json-value.ts'
import { objectMethods } from './object-methods.ts'
import { RpcError } from './rpc-error.ts'
import type { Method, MethodContext, Target } from './rpc-method.ts'
import { rpcParameters } from './rpc-parameters.ts'
import type { Session } from './session.ts'

export interface ConnectionOptions {
  readonly session: Session
  readonly isReattached: boolean
  readonly user: { readonly id: string; readonly name: string }
  readonly apps: () => readonly AnalyticsApp[]
}

/** Why this engine closes a socket by itself, with the code it uses. */
export const closeCodes = {
  /** The engine stops. */
  goingAway: 1001,
  /** A binary frame. */
  unsupportedData: 1003,
  /** A text frame that is not JSON. (`ws` itself answers a frame above the limit with 1009.) */
  invalidPayload: 1007,
  /** The client does not read what it asked for. */
  slowReader: 1008,
  noPermission: 4203,
  appNotFound: 4204,
} as const

/**
 * Serves one socket: requests in the order they come, each answered before the next; a change in the session is told to
 * every socket of it.
 */
export function serveConnection(peer: WebSocket, { session, isReattached, user, apps }: ConnectionOptions): void {
  const handles = handleTable()
  let isAnswering = false
  let hasChanged = false

  const send = (message: JsonObject) => {
    if (peer.bufferedAmount > maximumBuffered) peer.close(closeCodes.slowReader, 'The client does not read')
    else peer.send(JSON.stringify({ jsonrpc: '2.0', ...message }))
  }
  const onChange = () => {
    if (isAnswering) hasChanged = true
    else send({ change: handles.objects() })
  }
  const context: MethodContext = { session, user, apps, reference: handles.reference, release: handles.release }

  const answer = (request: JsonObject) => {
    const id = typeof request.id === 'number' || typeof request.id === 'string' ? request.id : null
    isAnswering = true
    hasChanged = false
    try {
      const result = callMethod(request, handles, context)
      send({ id, result, ...(hasChanged ? { change: handles.objects() } : {}) })
    } catch (error) {
      const { code, parameter, message } = error instanceof RpcError ? error : new RpcError('internal')
      send({ id, error: { code, parameter, message } })
    } finally {
      isAnswering = false
    }
  }

  session.listeners.add(onChange)
  peer.on('close', () => session.listeners.delete(onChange))
  peer.on('message', (data, isBinary) => {
    if (isBinary) return peer.close(closeCodes.unsupportedData, 'Text frames only')
    const request = parsedJson(data.toString())
    if (request === undefined) return peer.close(closeCodes.invalidPayload, 'Not JSON')
    if (isObject(request)) answer(request)
    else send({ id: null, error: { ...errorOf(new RpcError('request')) } })
  })
  send({ method: 'OnConnected', params: { qSessionState: isReattached ? 'SESSION_ATTACHED' : 'SESSION_CREATED' } })
}

/** Bytes that may wait for a client that reads slowly. */
const maximumBuffered = 32 * 1024 * 1024
const maximumHandles = 10_000
const globalHandle = -1

function callMethod(request: JsonObject, handles: HandleTable, context: MethodContext): JsonObject {
  const { method, handle = globalHandle, params } = request
  if (typeof method !== 'string') throw new RpcError('request', 'method')
  const target = handles.target(handle)
  const definition = methodOf(target, method)
  return definition.run(context, rpcParameters(params, definition.parameters), target)
}

const methodsByType = { Global: globalMethods, Doc: docMethods, Field: fieldMethods, GenericObject: objectMethods }

/** The method tables are keyed by the type of their target, so a target's own table always fits it. */
function methodOf(target: Target, name: string): Method<Target> {
  const methods = methodsByType[target.type]
  if (!Object.hasOwn(methods, name)) throw new RpcError('method', name.slice(0, 100))
  return methods[name] as Method<Target>
}

interface HandleTable {
  target(handle: unknown): Target
  reference(target: Target): JsonObject
  release(object: GenericObject): void
  /** Handles of everything that a selection may change. */
  objects(): readonly number[]
}

function handleTable(): HandleTable {
  const targets = new Map<number, Target>([[globalHandle, { type: 'Global' }]])
  const known = new Map<unknown, number>()
  let last = 0
  return {
    target(handle) {
      const target = typeof handle === 'number' ? targets.get(handle) : undefined
      if (!target) throw new RpcError('invalidHandle', 'handle')
      return target
    },
    reference(target) {
      const identity =
        target.type === 'GenericObject' ? target.object : target.type === 'Field' ? target.field : target.type
      const handle = known.get(identity) ?? ++last
      if (targets.size >= maximumHandles) throw new RpcError('limit')
      known.set(identity, handle)
      targets.set(handle, target)
      return { qReturn: { qType: target.type, qHandle: handle, ...identityOf(target) } }
    },
    release(object) {
      const handle = known.get(object)
      if (handle === undefined) return
      known.delete(object)
      targets.delete(handle)
    },
    objects: () => [...targets].flatMap(([handle, target]) => (target.type === 'GenericObject' ? [handle] : [])),
  }
}

/** Clients keep what they know about an app or an object under its identifier. */
function identityOf(target: Target): JsonObject {
  if (target.type === 'Doc') return { qGenericType: 'Doc', qGenericId: target.id }
  if (target.type === 'GenericObject') return { qGenericType: target.object.type, qGenericId: target.object.id }
  return target.type === 'Field' ? { qGenericId: target.field.name } : {}
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const errorOf = ({ code, parameter, message }: RpcError) => ({ code, parameter, message })
