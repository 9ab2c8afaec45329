import { redisScript } from './redis-commands.ts'

/*
 * A client that loses its connection sends a command again without knowing whether it was executed. A script that finds
 * its own effect therefore replies as if it had just produced it.
 */

/** KEYS: login, idle marker. ARGV: expected version, new value, channel, announcement. */
export const replaceIfVersion = redisScript(`
local stored = redis.call('GET', KEYS[1])
if not stored or redis.call('EXISTS', KEYS[2]) == 0 then return 'gone' end
if stored == ARGV[2] then return 'replaced' end
if string.match(stored, '^%d+') ~= ARGV[1] then return 'changed' end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 'replaced'`)

/*
 * Lua for `isForeign(value)`: the value is well formed and sealed with none of the keys whose ids are listed, each
 * between spaces, in ARGV[1]. The version of a login precedes its envelope.
 */
const isForeign = `
local function isForeign(value)
  local envelope = string.match(value, '^%d+ (.*)$') or value
  local keyId = string.match(envelope, '^([%w_-]+)%.[%w_-]+%.[%w_-]+$')
  return keyId and #keyId == 8 and not string.find(ARGV[1], ' ' .. keyId .. ' ', 1, true)
end`

/**
 * Replies with the value and deletes it; a foreign value stays and is replied in an array. KEYS: transaction. ARGV: key
 * ids.
 */
export const takeTransaction = redisScript(`${isForeign}
local stored = redis.call('GET', KEYS[1])
if not stored then return false end
if isForeign(stored) then return {stored} end
redis.call('DEL', KEYS[1])
return stored`)

/**
 * Moves a login before its idle end to its ending, and replies with the value; a foreign value stays and is replied in an
 * array. RENAME needs no memory, so that logins can be ended when Redis is full. KEYS: login, idle marker, ending. ARGV:
 * key ids, channel, announcement, TTL of the ending in ms.
 */
export const endLogin = redisScript(`${isForeign}
local own = redis.call('GET', KEYS[3])
if own then return own end
local stored = redis.call('GET', KEYS[1])
if not stored or redis.call('EXISTS', KEYS[2]) == 0 then return false end
if isForeign(stored) then return {stored} end
redis.call('RENAME', KEYS[1], KEYS[3])
redis.call('PEXPIRE', KEYS[3], ARGV[4])
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return stored`)

/**
 * The same for a login that still has this value, also after its idle end. KEYS: login, idle marker, ending. ARGV: the
 * value, channel, announcement, TTL of the ending in ms.
 */
export const expireLogin = redisScript(`
if redis.call('GET', KEYS[3]) == ARGV[1] then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('RENAME', KEYS[1], KEYS[3])
redis.call('PEXPIRE', KEYS[3], ARGV[4])
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1`)

/** KEYS: ending, reported ending. */
export const markReported = redisScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], KEYS[2]) end`)

/** Does not overwrite a foreign value. KEYS: tokens. ARGV: key ids, value, TTL in ms. */
export const saveTokens = redisScript(`${isForeign}
local stored = redis.call('GET', KEYS[1])
if stored and isForeign(stored) then return end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])`)

/** KEYS: any; for a login also its idle marker. ARGV: the value; for a login also channel, announcement. */
export const deleteIfEqual = redisScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', unpack(KEYS))
if ARGV[2] then redis.call('PUBLISH', ARGV[2], ARGV[3]) end
return 1`)

/** KEYS: logins of a user. ARGV: now, absolute end of the login, key of the login. */
export const addToUserLogins = redisScript(`
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
redis.call('PEXPIREAT', KEYS[1], redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2])`)

/** Leaves the entry of a newer login with the same key. KEYS: logins of a user. ARGV: absolute end, key of the login. */
export const removeFromUserLogins = redisScript(`
local score = redis.call('ZSCORE', KEYS[1], ARGV[2])
if score and tonumber(score) == tonumber(ARGV[1]) then redis.call('ZREM', KEYS[1], ARGV[2]) end`)

/*
 * The due index: a sorted set of entries by the time, on the clock of Redis, at which a login may have reached its end,
 * or the lease of an ending runs out.
 */
const now = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`

/** KEYS: due index. ARGV: entry, milliseconds until it is due, least TTL of the index. */
export const addToDueIndex = redisScript(`${now}
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end`)

/**
 * Replies with due entries and makes each due again after the lease. KEYS: due index. ARGV: lease in ms, most entries.
 */
export const claimDue = redisScript(`${now}
local entries = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])
for _, entry in ipairs(entries) do redis.call('ZADD', KEYS[1], now + ARGV[1], entry) end
return entries`)

/** KEYS: due index. ARGV: an entry and the milliseconds until it is due, for each; entries removed since stay so. */
export const reschedule = redisScript(`${now}
for i = 1, #ARGV, 2 do redis.call('ZADD', KEYS[1], 'XX', now + ARGV[i + 1], ARGV[i]) end`)

/**
 * Replies with the milliseconds until the idle end, or with the value when that has passed or ARGV[1] is 1; with
 * nothing when the login is gone. KEYS: login, idle marker.
 */
export const readIfExpired = redisScript(`
local stored = redis.call('GET', KEYS[1])
if not stored then return false end
local left = redis.call('PTTL', KEYS[2])
if left > 0 and ARGV[1] ~= '1' then return left end
return stored`)

/** KEYS: lock. ARGV: holder, lease in ms. */
export const acquireLock = redisScript(`
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return holder == 'backoff' and 'backoff' or 'held' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'acquired'`)

/** KEYS: lock. ARGV: holder, lease in ms. */
export const renewLock = redisScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`)

/** KEYS: lock. ARGV: holder, backoff in ms (0: none). */
export const releaseLock = redisScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return end
if ARGV[2] == '0' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], 'backoff', 'PX', ARGV[2]) end`)

/** KEYS: counter. ARGV: window in ms. */
export const incrementCounter = redisScript(`
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return count`)
