import { Script } from './script.ts';

/**
 * A record is a hash: `v` revision, `b` body, `c` consumed at, `e` expires at, `i` id, `k` key of its kind's ordered ids, `x`
 * its index keys. Ids are ordered in sorted sets of one score, by bytes of UTF-8, which is the order of code points. All
 * keys share a slot; those of a record's earlier indexes are only known from the record.
 *
 * Redis may remove an expired record by itself, an hour late: what `now` says comes first, and the sweep takes the indexes
 * along.
 */
const COMMON = `
local HOUR = 3600000
local expiries = KEYS[1]
local function liveRecord(key, now, ...)
  local held = redis.call('HMGET', key, 'v', 'e', ...)
  if not held[1] or (held[2] and tonumber(held[2]) <= now) then return nil end
  return held
end
local function unlink(key)
  local held = redis.call('HMGET', key, 'v', 'i', 'k', 'x')
  if not held[1] then return nil end
  redis.call('DEL', key)
  redis.call('ZREM', expiries, key)
  redis.call('ZREM', held[3], held[2])
  for _, index in ipairs(cmsgpack.unpack(held[4])) do redis.call('ZREM', index, held[2]) end
  return held[2]
end
local function described(id, key, now)
  local held = liveRecord(key, now, 'b', 'c')
  return held and {id, held[1], held[2] or '', held[3], held[4] or ''}
end
`;

/**
 * Writes records, all or none. KEYS: expiries. ARGV: now, count, then for each: record key, kind key, id, condition (empty,
 * `absent` or a revision), body, expiry or empty, number of index keys, index keys. Replies the revisions, or nothing.
 */
export const PUT = new Script(`
#!lua
${COMMON}
local now, next = tonumber(ARGV[1]), 3
local revisions, fresh = {}, {}
for n = 1, tonumber(ARGV[2]) do
  local held = liveRecord(ARGV[next], now)
  local condition = ARGV[next + 3]
  if condition == 'absent' then
    if held then return false end
  elseif condition ~= '' and (not held or held[1] ~= condition) then
    return false
  end
  fresh[n] = not held
  revisions[n] = held and held[1] + 1 or 1
  next = next + 7 + tonumber(ARGV[next + 6])
end
next = 3
for n = 1, tonumber(ARGV[2]) do
  local key, kind, id, body, expiry = ARGV[next], ARGV[next + 1], ARGV[next + 2], ARGV[next + 4], ARGV[next + 5]
  local indexes = {}
  for i = next + 7, next + 6 + tonumber(ARGV[next + 6]) do indexes[#indexes + 1] = ARGV[i] end
  if fresh[n] then
    unlink(key)
  else
    for _, index in ipairs(cmsgpack.unpack(redis.call('HGET', key, 'x'))) do redis.call('ZREM', index, id) end
  end
  redis.call('HSET', key, 'v', revisions[n], 'b', body, 'i', id, 'k', kind, 'x', cmsgpack.pack(indexes))
  redis.call('ZADD', kind, 0, id)
  for _, index in ipairs(indexes) do redis.call('ZADD', index, 0, id) end
  if expiry == '' then
    redis.call('HDEL', key, 'e')
    redis.call('PERSIST', key)
    redis.call('ZREM', expiries, key)
  else
    redis.call('HSET', key, 'e', expiry)
    redis.call('PEXPIREAT', key, string.format('%.0f', expiry + HOUR))
    redis.call('ZADD', expiries, expiry, key)
  end
  next = next + 7 + #indexes
end
return revisions
`);

/** KEYS: expiries. ARGV: record key, now. */
export const CONSUME = new Script(`
#!lua
${COMMON}
local held = liveRecord(ARGV[1], tonumber(ARGV[2]), 'c')
if not held or held[3] then return 0 end
redis.call('HSET', ARGV[1], 'c', ARGV[2])
redis.call('HINCRBY', ARGV[1], 'v', 1)
return 1
`);

/** KEYS: expiries. ARGV: record key. */
export const DELETE = new Script(`
#!lua flags=allow-oom
${COMMON}
return unlink(ARGV[1]) and 1 or 0
`);

/** KEYS: expiries. ARGV: index key, start of the record keys. Replies the ids. */
export const DELETE_BY = new Script(`
#!lua flags=allow-oom
${COMMON}
local ids = redis.call('ZRANGE', ARGV[1], 0, -1)
local gone = {}
for _, id in ipairs(ids) do gone[#gone + 1] = unlink(ARGV[2] .. id) end
redis.call('DEL', ARGV[1])
return gone
`);

/**
 * Reads a page of a kind's records, or of those with an index value. KEYS: expiries. ARGV: key of the ordered ids, start of the
 * record keys, now, from where (as in ZRANGE BYLEX), limit (-1 for all).
 */
export const PAGE = new Script(`
#!lua flags=no-writes
${COMMON}
local CHUNK = 1000
local found, from, limit = {}, ARGV[4], tonumber(ARGV[5])
while limit < 0 or #found < limit do
  local wanted = limit < 0 and CHUNK or math.min(CHUNK, limit - #found)
  local ids = redis.call('ZRANGE', ARGV[1], from, '+', 'BYLEX', 'LIMIT', 0, wanted)
  if #ids == 0 then break end
  for _, id in ipairs(ids) do found[#found + 1] = described(id, ARGV[2] .. id, tonumber(ARGV[3])) end
  from = '(' .. ids[#ids]
end
return found
`);

/** Removes some of what has expired. KEYS: expiries. ARGV: now, limit. Replies how many were removed. */
export const SWEEP = new Script(`
#!lua flags=allow-oom
${COMMON}
local keys = redis.call('ZRANGE', expiries, '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, key in ipairs(keys) do
  unlink(key)
  redis.call('ZREM', expiries, key)
end
return #keys
`);
