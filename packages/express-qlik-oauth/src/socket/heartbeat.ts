export interface HeartbeatMember {
  tick(): void
}

export interface Heartbeat {
  add(member: HeartbeatMember): void
  remove(member: HeartbeatMember): void
}

/**
 * Calls `tick` of every member once per period, for the first time within one period.
 *
 * One timer serves all members: ten thousand timers would need more memory than the idle sockets they watch. Members
 * are spread over the period, so that pings do not leave in one burst.
 */
export function heartbeat(periodMs: number): Heartbeat {
  const slots = Array.from({ length: slotCount }, () => new Set<HeartbeatMember>())
  let size = 0
  let slotToFill = 0
  let slotToTick = 0
  let timer: NodeJS.Timeout | undefined

  function tickSlot(): void {
    slotToTick = (slotToTick + 1) % slotCount
    for (const member of slots[slotToTick] ?? []) member.tick()
  }

  return {
    add(member) {
      slotToFill = (slotToFill + 1) % slotCount
      slots[slotToFill]?.add(member)
      size += 1
      timer ??= setInterval(tickSlot, periodMs / slotCount)
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
