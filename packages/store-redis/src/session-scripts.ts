import { Script } from './script.ts';

/** How far the log may exceed a bound before it is trimmed: one trim then serves many commits. */
const SLACK = 1.25;

/**
 * One commit (PUB-4, CON-8): compare-and-set on the revision, parts, log, index marks, expiry, notice. Checks before it
 * changes: what a script has done is not undone.
 *
 * KEYS: session, log, heads. ARGV: deadline (ms of the server's clock, 0 is none), expiry (ms), count and age of the log's
 * bounds, the topic's channel (empty: the caller publishes), epoch of the expected revision (empty: any), number of the last
 * entry to erase from the log (0: none), bytes of the log's bounds (0: none), channel of changes, then the fields of the notice, as
 * `commitFields` makes them.
 *
 * The session's hash holds `t` topic, `r` revision and `e` its epoch, `f` first and `l` last number of the log, `el` the epoch of
 * its last entry and `es` that of the entry before the first, `b` the bytes of the log's bodies, `x` when its hints were last refreshed, `p:` parts, and `k:` index
 * keys, each with the nonce of its hint. The nonce of a commit is the epoch of the revision and of the entries.
 *
 * Replies 0 and the revision in force where it is another one; else 1, the new revision, whether the hints are to be
 * refreshed, and those to take back (key, nonce, …).
 */
export const COMMIT = new Script(`
#!lua
local session, log, heads = KEYS[1], KEYS[2], KEYS[3]
local deadline, expiry = tonumber(ARGV[1]), ARGV[2]
local count, age = tonumber(ARGV[3]), tonumber(ARGV[4])
local expectedEpoch, dropUpTo, most = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local FIRST = 10
local topic, expected, at, nonce = ARGV[12], tonumber(ARGV[13]), tonumber(ARGV[14]), ARGV[15]
local put, removed, appended = tonumber(ARGV[16]), tonumber(ARGV[17]), tonumber(ARGV[18])
local added, dropped, noted = tonumber(ARGV[19]), tonumber(ARGV[20]), tonumber(ARGV[21])
local shared, next = 0, 22
if ARGV[FIRST] == 'doubt' then shared, next = tonumber(ARGV[22]), 23 end

if deadline > 0 then
  local time = redis.call('TIME')
  if time[1] * 1000 + time[2] / 1000 > deadline then
    return redis.error_reply('LATE the commit arrived after its caller had given up')
  end
end
local held = redis.call('HMGET', session, 'r', 'f', 'l', 'x', 'e', 'el', 'es', 'b')
local revision = tonumber(held[1] or '0')
if revision ~= expected then return {0, revision} end
if expectedEpoch ~= '' and revision > 0 and held[5] ~= expectedEpoch then return {0, revision} end
local lastEpoch, startEpoch = held[6] or '', held[7] or ''
if revision == 0 then lastEpoch, startEpoch = nonce, nonce end
if appended > 0 then lastEpoch = nonce end
local first, last = tonumber(held[2] or '1'), tonumber(held[3] or '0')
local entries = next + 2 * put + removed
if appended > 0 and tonumber(ARGV[entries]) ~= last + 1 then
  return redis.error_reply('GAP entry ' .. ARGV[entries] .. ' does not follow entry ' .. (held[3] or '0'))
end

-- Goes through the log in chunks: an entry may be large.
local function eachFrom(number, visit)
  while true do
    local chunk = redis.call('XRANGE', log, string.format('%.0f-0', number), '+', 'COUNT', 16)
    for _, entry in ipairs(chunk) do
      if not visit(number, #entry[2][6]) then return end
      number = number + 1
    end
    if #chunk < 16 then return end
  end
end

local before, bytes = last, tonumber(held[8] or '0')
-- An earlier version did not count.
if not held[8] and last >= first then
  eachFrom(first, function(_, size) bytes = bytes + size return true end)
end

for i = 1, put do
  redis.call('HSET', session, 'p:' .. ARGV[next], ARGV[next + 1])
  next = next + 2
end
for i = 1, removed do
  redis.call('HDEL', session, 'p:' .. ARGV[next])
  next = next + 1
end
for i = 1, appended do
  local number, id, entryAt, body = ARGV[next], ARGV[next + 1], ARGV[next + 2], ARGV[next + 3]
  redis.call('XADD', log, number .. '-0', 'i', id, 'a', entryAt, 'b', body, 'e', nonce)
  redis.call('RPUSH', heads, entryAt .. '.' .. nonce .. ':' .. id)
  bytes = bytes + #body
  next = next + 4
end
last = last + appended

local common = next + added + dropped + noted
for i = 1, shared do
  local from, length = tonumber(ARGV[common + 2]), tonumber(ARGV[common + 3])
  local text = string.sub(ARGV[entries + 3], from + 1, from + length)
  redis.call('HSET', session, 'p:' .. ARGV[common], ARGV[common + 1] .. text .. ARGV[common + 4])
  common = common + 5
end

local function timeOf(head) return tonumber(string.match(head, '^%d+')) end
if last >= first then
  local oldest = timeOf(redis.call('LINDEX', heads, 0))
  local keep = math.max(first, math.min(dropUpTo, last) + 1)
  if last - first + 1 > count * ${SLACK} or at - oldest > age * ${SLACK} then
    keep = math.max(keep, last - count + 1)
    local young = false
    while keep <= last and not young do
      local chunk = redis.call('LRANGE', heads, keep - first, keep - first + 99)
      for _, head in ipairs(chunk) do
        if timeOf(head) > at - age then young = true break end
        keep = keep + 1
      end
    end
  end
  if keep > first or (most > 0 and bytes > most) then
    eachFrom(first, function(number, size)
      -- What this commit appends stays, however much it is.
      if number >= keep and (most == 0 or bytes <= most or number > before) then return false end
      bytes = bytes - size
      keep = math.max(keep, number + 1)
      return true
    end)
  end
  if keep > first then
    startEpoch = string.match(redis.call('LINDEX', heads, keep - first - 1), '^%d+%.([^:]*):') or ''
    redis.call('LTRIM', heads, keep - first, -1)
    redis.call('XTRIM', log, 'MINID', string.format('%.0f-0', keep))
    first = keep
  end
end

local back = {}
local addFrom = next
next = next + added
for i = 1, dropped do
  local field = 'k:' .. ARGV[next]
  local hint = redis.call('HGET', session, field)
  if hint then
    redis.call('HDEL', session, field)
    back[#back + 1] = ARGV[next]
    back[#back + 1] = hint
  end
  next = next + 1
end
for i = addFrom, addFrom + added - 1 do redis.call('HSET', session, 'k:' .. ARGV[i], nonce) end

local stale = held[4] and at - tonumber(held[4]) > tonumber(expiry) / 4
if stale or not held[4] then redis.call('HSET', session, 'x', ARGV[14]) end
local now = string.format('%.0f', revision + 1)
redis.call('HSET', session, 't', topic, 'r', now, 'f', string.format('%.0f', first), 'l', string.format('%.0f', last))
redis.call('HSET', session, 'e', nonce, 'el', lastEpoch, 'es', startEpoch, 'b', string.format('%.0f', math.max(0, bytes)))
redis.call('PEXPIRE', session, expiry)
redis.call('PEXPIRE', log, expiry)
redis.call('PEXPIRE', heads, expiry)
if ARGV[5] ~= '' then
  local lengths = {}
  for i = FIRST, #ARGV do lengths[#lengths + 1] = #ARGV[i] end
  redis.call('SPUBLISH', ARGV[5], '\\n' .. table.concat(lengths, ' ') .. '\\n' .. table.concat(ARGV, '', FIRST))
  redis.call('PUBLISH', ARGV[9], topic)
end
return {1, revision + 1, stale and 1 or 0, unpack(back)}
`);

/** KEYS: session, heads. Replies the hash and the heads, of one moment. */
export const LOAD = new Script(`
#!lua flags=no-writes
local session = redis.call('HGETALL', KEYS[1])
if #session == 0 then return false end
return {session, redis.call('LRANGE', KEYS[2], 0, -1)}
`);

/**
 * The same where replicas must confirm: it writes what was there, so that waiting for it is waiting for all that was read.
 * Nothing is published, and nothing answered, that a fail-over may undo.
 */
export const LOAD_TO_CONFIRM = new Script(`
#!lua flags=allow-oom
local session = redis.call('HGETALL', KEYS[1])
if #session == 0 then return false end
redis.call('HSET', KEYS[1], 'r', redis.call('HGET', KEYS[1], 'r'))
return {session, redis.call('LRANGE', KEYS[2], 0, -1)}
`);

/**
 * KEYS: session, log. ARGV: number after which to read, epoch of that position (empty: any), entries at most and bytes of
 * bodies after which no further one is read (0: no limit). Replies entries as the stream has them, or nothing.
 */
export const READ_LOG = new Script(`
#!lua flags=no-writes
local held = redis.call('HMGET', KEYS[1], 'f', 'l', 'el', 'es')
local after, epoch = tonumber(ARGV[1]), ARGV[2]
if not held[1] then return false end
local first, last = tonumber(held[1]), tonumber(held[2])
if after > last or after < first - 1 then return false end
if epoch ~= '' then
  local found = after == last and held[3] or held[4]
  if after >= first and after < last then
    local entry = redis.call('XRANGE', KEYS[2], ARGV[1] .. '-0', ARGV[1] .. '-0')[1]
    found = entry and entry[2][8]
  end
  if found ~= epoch then return false end
end
local limit, bytes = tonumber(ARGV[3]), tonumber(ARGV[4])
if limit == 0 and bytes == 0 then return redis.call('XRANGE', KEYS[2], '(' .. ARGV[1] .. '-0', '+') end
local read, room, from = {}, bytes, '(' .. ARGV[1] .. '-0'
repeat
  -- As many as there is room for, going by those read so far: entries may be large.
  local wanted = 16
  if bytes > 0 then
    local each = #read > 0 and (bytes - room) / #read or bytes
    wanted = math.max(1, math.min(wanted, math.floor(room / math.max(each, 1))))
  end
  if limit > 0 then wanted = math.min(wanted, limit - #read) end
  local chunk = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', wanted)
  for _, entry in ipairs(chunk) do
    read[#read + 1] = entry
    from = '(' .. entry[1]
    room = room - #entry[2][6]
    if bytes > 0 and room <= 0 then return read end
  end
until #chunk < wanted or #read == limit
return read
`);

/**
 * Removes a session (SES-5), also where memory is full. KEYS: session, log, heads. ARGV: the topic's channel (empty:
 * the caller publishes), notice, revision and epoch that it must be at (empty: any), channel of changes, topic. Replies the hints
 * to take back (key, nonce, …), or nothing where there was no such session.
 */
export const ERASE = new Script(`
#!lua flags=allow-oom
local session = redis.call('HGETALL', KEYS[1])
if #session == 0 then return false end
if ARGV[3] ~= '' then
  local held = redis.call('HMGET', KEYS[1], 'r', 'e')
  if held[1] ~= ARGV[3] or (held[2] or '') ~= ARGV[4] then return false end
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
local hints = {}
for i = 1, #session, 2 do
  if string.sub(session[i], 1, 2) == 'k:' then
    hints[#hints + 1] = string.sub(session[i], 3)
    hints[#hints + 1] = session[i + 1]
  end
end
if ARGV[1] ~= '' then
  redis.call('SPUBLISH', ARGV[1], ARGV[2])
  redis.call('PUBLISH', ARGV[5], ARGV[6])
end
return hints
`);

/** Takes hints back unless they have been given again. KEYS: index key. ARGV: topic, nonce, … */
export const TAKE_BACK = new Script(`
#!lua flags=allow-oom
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
`);

/** Publishes a notice to older nodes under the next number. KEYS: counter of notices. ARGV: channel, notice. */
export const PUBLISH_TO_OLDER = new Script(`
#!lua flags=allow-oom
return redis.call('PUBLISH', ARGV[1], string.format('%.0f', redis.call('INCR', KEYS[1])) .. '\\n' .. ARGV[2])
`);

/** Publishes a beat to older nodes under the latest number. KEYS: counter of notices. ARGV: channel, beat. */
export const BEAT_TO_OLDER = new Script(`
#!lua flags=allow-oom
return redis.call('PUBLISH', ARGV[1], (redis.call('GET', KEYS[1]) or '0') .. '\\n' .. ARGV[2])
`);
