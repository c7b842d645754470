-- What the scripts of windows share. A window is three keys of one bucket:
--   meta    hash: e epoch, h head, b bytes, r replication id of its last writer, p past epochs as `epoch:offset,…`,
--           a age of entries in ms, x when the keys were last told how long to live
--   stream  one entry per message, its id is `offset-0`: i message id, t time, a identity, b body, c cost, k key
--   keys    hash: i<message id> and k<publisher, key> of every entry → offset
-- Offsets are numbers below 2^53, which Lua holds exactly; '%.0f' writes them without an exponent.

local function text(number)
  return string.format('%.0f', number)
end

local function info(section, name, stop)
  local all = redis.call('INFO', section)
  local _, at = string.find(all, name, 1, true)
  return string.sub(all, at + 1, string.find(all, stop, at, true) - 1)
end

-- The life of this Redis. It differs after a restart, a failover and a restore.
local function replication()
  return info('replication', 'master_replid:', '\r')
end

-- The epoch of a window without entries and without memory. It stays the same for a day of this Redis, as long as nothing was
-- evicted: whoever was told offset 0 of it is continued by the first append, and nobody else.
local function derived(meta, replid, now, days)
  local day = math.floor(now / 86400000) - days
  return string.sub(redis.sha1hex(meta .. replid .. info('stats', 'evicted_keys:', '\r') .. text(day)), 1, 15)
end

-- The epoch that a window of another life of Redis goes on in: nobody can tell what that life knew beyond what is here. It is the
-- same for everybody who asks, and for the append that writes it down: an old epoch is never shown again by a memory that went
-- back to it.
local function next_life(meta, epoch, replid)
  return string.sub(redis.sha1hex(meta .. epoch .. replid), 1, 15)
end

-- Lets go what is beyond the bounds. Answers how many entries are left, and their bytes. Most of the time that is one look at the
-- oldest entry.
local function trim(stream, keys, length, bytes, oldest, most, most_bytes)
  local function over(f)
    return tonumber(f[4]) < oldest or length > most or (bytes > most_bytes and length > 1)
  end
  local page = 2
  while length > 0 do
    local entries = redis.call('XRANGE', stream, '-', '+', 'COUNT', page)
    local gone, last, more = {}, nil, #entries > 0
    for _, entry in ipairs(entries) do
      local f = entry[2]
      more = over(f)
      if not more then break end
      gone[#gone + 1] = 'i' .. f[2]
      if f[12] ~= '' then gone[#gone + 1] = 'k' .. f[12] end
      length, bytes, last = length - 1, bytes - tonumber(f[10]), entry[1]
    end
    if last then
      redis.call('XTRIM', stream, 'MINID', '=', text(tonumber(string.match(last, '^%d+')) + 1))
      redis.call('HDEL', keys, unpack(gone))
    end
    if not more then break end
    page = 32
  end
  return length, bytes
end

-- The window as it is at `now`, what has aged taken off; `nil` when it is untouched or forgotten.
local function look(meta, stream, keys, now, replid)
  local m = redis.call('HMGET', meta, 'e', 'h', 'b', 'p', 'a', 'r')
  if not m[1] then return nil end
  local window = { epoch = m[1], head = tonumber(m[2]), bytes = tonumber(m[3]), past = m[4] }
  if m[6] ~= replid then
    window.epoch, window.past = next_life(meta, m[1], replid), m[1] .. ':' .. m[2] .. ',' .. m[4]
  end
  local before = redis.call('XLEN', stream)
  window.length, window.bytes = trim(stream, keys, before, window.bytes, now - tonumber(m[5]), math.huge, math.huge)
  -- Where memory is full nothing can be written, and reading goes on: the count is put right by the next append.
  if window.length < before then redis.pcall('HSET', meta, 'b', text(window.bytes)) end
  -- Entries may be missing in between: they were taken out. What is missing before the oldest has expired.
  local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  window.low = oldest and tonumber(string.match(oldest[1], '^%d+')) - 1 or window.head
  return window
end
