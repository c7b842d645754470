-- KEYS meta, stream, keys, pub/sub channel. ARGV as named here. Answers {1, duplicate, offset, epoch, id, time}, or {2}: the key
-- was used with other content.
local meta, stream, keys, channel = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now, id, key, identity, body = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local cost, most, most_bytes, age = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local fresh, prefix, memory = ARGV[10], ARGV[11], tonumber(ARGV[12])
local PAST = 16

local replid = replication()
local m = redis.call('HMGET', meta, 'e', 'h', 'b', 'r', 'p', 'x')
local epoch, head, bytes, past, told = m[1], tonumber(m[2]), tonumber(m[3]), m[5], tonumber(m[6])
local length = 0
if not epoch then
  -- Untouched or forgotten. What is left of it would be numbered twice.
  redis.call('DEL', stream, keys)
  epoch, head, bytes, told = fresh, 0, 0, 0
  past = derived(meta, replid, now, 0) .. ':0,' .. derived(meta, replid, now, 1) .. ':0'
else
  length = redis.call('XLEN', stream)
  if m[4] ~= replid or (length > 0 and redis.call('EXISTS', keys) == 0) then
    -- Another life of Redis, or a part was evicted: entries or keys may be missing, and nobody can tell which.
    past = epoch .. ':' .. text(head) .. ',' .. past
    local kept, from = 0, 1
    while kept < PAST do
      local comma = string.find(past, ',', from, true)
      kept, from = kept + 1, comma and comma + 1 or nil
      if not comma then break end
    end
    if from then past = string.sub(past, 1, from - 2) end
    epoch = m[4] ~= replid and next_life(meta, epoch, replid) or fresh
  end
  if length == 0 then
    redis.call('DEL', keys)
    bytes = 0
  end
end

local function entry_at(field)
  local offset = redis.call('HGET', keys, field)
  local found = offset and redis.call('XRANGE', stream, offset, offset)[1]
  if found then return tonumber(offset), found[2] end
end

-- The same message again: its first answer was lost on the way.
local offset, f = entry_at('i' .. id)
if offset then
  if f[8] ~= body then return { 2 } end
  return { 1, 0, offset, m[1], f[2], tonumber(f[4]) }
end

if key ~= '' then
  offset, f = entry_at('k' .. key)
  if offset and tonumber(f[4]) < now - age then
    -- Its time is over, and its key must go before the same key is kept anew.
    length, bytes = trim(stream, keys, length, bytes, now - age, most, most_bytes)
  elseif offset then
    if f[8] ~= body then return { 2 } end
    -- In the epoch that stands: a new one begins with an entry, or not at all.
    return { 1, 1, offset, m[1], f[2], tonumber(f[4]) }
  end
end

head = head + 1
local at = text(head)
redis.call('XADD', stream, at .. '-0', 'i', id, 't', text(now), 'a', identity, 'b', body, 'c', text(cost), 'k', key)
if key ~= '' then
  redis.call('HSET', keys, 'i' .. id, at, 'k' .. key, at)
else
  redis.call('HSET', keys, 'i' .. id, at)
end
length, bytes = trim(stream, keys, length + 1, bytes + cost, now - age, most, most_bytes)

-- Keys live an eighth longer than they must, so that they need not be told each time.
local tell = now - told >= math.min(age, memory) / 8 or now < told or length == 1
if tell then told = now end
redis.call('HSET', meta, 'e', epoch, 'h', at, 'b', text(bytes), 'r', replid, 'p', past, 'a', text(age), 'x', text(told))
if tell then
  redis.call('PEXPIRE', stream, text(age + age / 8))
  redis.call('PEXPIRE', keys, text(age + age / 8))
  redis.call('PEXPIRE', meta, text(memory + memory / 8))
end
redis.call('SPUBLISH', channel, prefix .. string.rep('0', 16 - #epoch) .. epoch .. string.format('%016.0f', head) .. identity .. body)
return { 1, 0, head, epoch, id, now }
