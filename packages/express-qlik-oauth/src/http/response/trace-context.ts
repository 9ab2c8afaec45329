/** The trace id of a valid `traceparent`. https://www.w3.org/TR/trace-context/#traceparent-header */
export function traceIdOfParent(traceparent: unknown): string | undefined {
  if (typeof traceparent !== 'string') return undefined
  const [, version, traceId, parentId, rest] = traceParent.exec(traceparent) ?? []
  if (version === 'ff' || traceId === noTrace || parentId === noParent) return undefined
  return version === '00' && rest !== undefined ? undefined : traceId
}

/** Whether a `tracestate` may be forwarded. https://www.w3.org/TR/trace-context/#tracestate-header */
export function isTraceState(value: string): boolean {
  const members = value.split(',').map(member => member.trim())
  return members.length <= 32 && members.every(member => member === '' || traceStateMember.test(member))
}

const traceParent = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}(-.*)?$/
const noTrace = '0'.repeat(32)
const noParent = '0'.repeat(16)
const traceStateMember =
  /^(?:[a-z][\w\-*/]{0,255}|[a-z\d][\w\-*/]{0,240}@[a-z][\w\-*/]{0,13})=[ -+\--<>-~]{0,255}[!-+\--<>-~]$/
