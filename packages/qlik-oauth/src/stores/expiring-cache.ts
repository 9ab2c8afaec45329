import { LRUCache } from 'lru-cache'

/** A bounded cache for values that must leave memory. */
export interface ExpiringCache<Value> {
  get(key: string): Value | undefined
  set(key: string, value: Value): void
  delete(key: string): void
  clear(): void
}

export interface ExpiringCacheOptions {
  /** Most entries; beyond it the least recently used one is dropped. */
  readonly max: number
  /** How long an entry may be used. */
  readonly lifetimeMs: number
  /** @default Date.now */
  readonly now?: () => number
}

/**
 * An entry is not returned after its lifetime, and is dropped from memory at most half a lifetime later, also when
 * nothing is read or written.
 *
 * One timer serves all entries. It runs only while there are any, and does not keep the process alive. The TTL of
 * lru-cache itself starts a timer per entry, or per millisecond of reading; both cost more than the rest of a read.
 */
export function expiringCache<Value>({ max, lifetimeMs, now = Date.now }: ExpiringCacheOptions): ExpiringCache<Value> {
  const entries = new LRUCache<string, { readonly value: Value; readonly expiresAt: number }>({ max })
  let timer: NodeJS.Timeout | undefined

  function purge(): void {
    const time = now()
    for (const [key, { expiresAt }] of entries) if (expiresAt <= time) entries.delete(key)
    if (entries.size > 0) return
    clearInterval(timer)
    timer = undefined
  }

  return {
    get(key) {
      const entry = entries.get(key)
      return entry !== undefined && now() < entry.expiresAt ? entry.value : undefined
    },
    set(key, value) {
      entries.set(key, { value, expiresAt: now() + lifetimeMs })
      timer ??= setInterval(purge, lifetimeMs / 2).unref()
    },
    delete: key => void entries.delete(key),
    clear: () => entries.clear(),
  }
}
