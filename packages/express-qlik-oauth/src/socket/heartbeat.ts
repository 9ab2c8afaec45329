/** Something that is looked after once in a period. */
export interface HeartbeatMember {
  tick(): void
}

export interface Heartbeat {
  add(member: HeartbeatMember): void
  remove(member: HeartbeatMember): void
}

/**
 * Calls `beat` of every member once in each period; the first time within the first period.
 *
 * One timer serves all, since a timer for each of ten thousand idle sockets costs more memory than what it looks after;
 * and the members are spread over the period, so that they are not all pinged in one moment.
 */
export function heartbeat(periodMs: number): Heartbeat {
  const slots = Array.from({ length: slotCount }, () => new Set<HeartbeatMember>())
  let size = 0
  let nextToFill = 0
  let nextToBeat = 0
  let timer: NodeJS.Timeout | undefined

  function tick(): void {
    nextToBeat = (nextToBeat + 1) % slotCount
    for (const member of slots[nextToBeat] ?? []) member.tick()
  }

  return {
    add(member) {
      nextToFill = (nextToFill + 1) % slotCount
      slots[nextToFill]?.add(member)
      size += 1
      timer ??= setInterval(tick, periodMs / slotCount)
    },
    remove(member) {
      if (!slots.some(slot => slot.delete(member))) return
      size -= 1
      if (size > 0) return
      clearInterval(timer)
      timer = undefined
    },
  }
}

const slotCount = 16
