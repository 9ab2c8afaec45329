import type { WebSocket } from 'ws'
import type { AnalyticsApp } from '../apps/analytics-app.ts'
import { isObject, type JsonObject } from './json-rpc/json-value.ts'
import { RpcError } from './json-rpc/rpc-error.ts'
import { rpcParameters } from './json-rpc/rpc-parameters.ts'
import { docMethods } from './methods/doc-methods.ts'
import { fieldMethods } from './methods/field-methods.ts'
import { globalMethods } from './methods/global-methods.ts'
import type { Method, MethodContext, Target } from './methods/method.ts'
import { objectMethods } from './methods/object-methods.ts'
import type { GenericObject } from './objects/generic-object.ts'
import type { Session } from './objects/session.ts'

/** What a connection serves. */
export interface ConnectionOptions {
  readonly session: Session
  readonly isReattached: boolean
  readonly user: { readonly id: string; readonly name: string }
  readonly apps: () => readonly AnalyticsApp[]
}

/** Codes with which the engine closes a socket. */
export const closeCodes = {
  /** The engine shuts down. */
  goingAway: 1001,
  /** A binary frame. */
  unsupportedData: 1003,
  /** A text frame that is not JSON. (`ws` closes with 1009 for a frame above the size limit.) */
  invalidPayload: 1007,
  /** The client does not read its responses. */
  slowReader: 1008,
  noPermission: 4203,
  appNotFound: 4204,
} as const

/**
 * Serves one socket. Requests are processed one at a time, in order. A change in the session is announced to all of its
 * sockets.
 */
export function serveConnection(peer: WebSocket, { session, isReattached, user, apps }: ConnectionOptions): void {
  const handles = handleTable()
  let isProcessing = false
  let hasChanged = false

  const send = (message: JsonObject) => {
    if (peer.bufferedAmount > maximumBuffered)
      peer.close(closeCodes.slowReader, 'The client does not read its responses')
    else peer.send(JSON.stringify({ jsonrpc: '2.0', ...message }))
  }
  const onChange = () => {
    if (isProcessing) hasChanged = true
    else send({ change: handles.objects() })
  }
  const context: MethodContext = { session, user, apps, reference: handles.reference, release: handles.release }

  const respond = (request: JsonObject) => {
    const id = typeof request.id === 'number' || typeof request.id === 'string' ? request.id : null
    isProcessing = true
    hasChanged = false
    try {
      const result = callMethod(request, handles, context)
      send({ id, result, ...(hasChanged ? { change: handles.objects() } : {}) })
    } catch (error) {
      const { code, parameter, message } = error instanceof RpcError ? error : new RpcError('internal')
      send({ id, error: { code, parameter, message } })
    } finally {
      isProcessing = false
    }
  }

  session.listeners.add(onChange)
  peer.on('close', () => session.listeners.delete(onChange))
  peer.on('message', (data, isBinary) => {
    if (isBinary) return peer.close(closeCodes.unsupportedData, 'Text frames only')
    const request = parsedJson(data.toString())
    if (request === undefined) return peer.close(closeCodes.invalidPayload, 'Not JSON')
    if (isObject(request)) respond(request)
    else send({ id: null, error: { ...errorOf(new RpcError('request')) } })
  })
  send({ method: 'OnConnected', params: { qSessionState: isReattached ? 'SESSION_ATTACHED' : 'SESSION_CREATED' } })
}

/** Bytes buffered for a slow client before its socket is closed. */
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

/** Each table is for one type of target, so a method always fits the target it is looked up for. */
function methodOf(target: Target, name: string): Method<Target> {
  const methods = methodsByType[target.type]
  if (!Object.hasOwn(methods, name)) throw new RpcError('method', name.slice(0, 100))
  return methods[name] as Method<Target>
}

interface HandleTable {
  target(handle: unknown): Target
  reference(target: Target): JsonObject
  release(object: GenericObject): void
  /** Handles of all objects: a selection may change each of them. */
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

/** Clients cache apps and objects by these identifiers. */
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
