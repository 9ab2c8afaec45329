import { redisScript } from './redis-commands.ts'

/*
 * A client that loses its connection sends a command again without knowing whether it was executed. A script that finds
 * its own effect therefore replies as if it had just produced it.
 */

/** KEYS: login. ARGV: expected version, new value, channel, announcement. */
export const replaceIfVersion = redisScript(`
local stored = redis.call('GET', KEYS[1])
if not stored then return 'gone' end
if stored == ARGV[2] then return 'replaced' end
if string.match(stored, '^%d+') ~= ARGV[1] then return 'changed' end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 'replaced'`)

/** KEYS: login. ARGV: channel, announcement. */
export const takeAndAnnounce = redisScript(`
local stored = redis.call('GETDEL', KEYS[1])
if stored then redis.call('PUBLISH', ARGV[1], ARGV[2]) end
return stored`)

/** KEYS: any. ARGV: the unreadable value; for a login also channel, announcement. */
export const deleteIfEqual = redisScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if ARGV[2] then redis.call('PUBLISH', ARGV[2], ARGV[3]) end
return 1`)

/** KEYS: logins of a user. ARGV: now, absolute end of the login, key of the login. */
export const addToUserLogins = redisScript(`
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
redis.call('PEXPIREAT', KEYS[1], redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2])`)

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
