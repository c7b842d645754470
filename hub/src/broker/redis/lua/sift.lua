-- KEYS meta, stream, keys. ARGV offset, id, offset, id, … of what goes; none: the window goes whole. Answers {entries that went}.
-- Their offsets stay: what is missing between entries, or behind the last, was taken out here.
local meta, stream, keys = KEYS[1], KEYS[2], KEYS[3]
if #ARGV == 0 then return { redis.call('DEL', meta, stream, keys) } end
local gone, bytes = 0, 0
for i = 1, #ARGV, 2 do
  local entry = redis.call('XRANGE', stream, ARGV[i], ARGV[i])[1]
  -- Another window of the same name counts anew: it holds another message there.
  if entry and entry[2][2] == ARGV[i + 1] then
    local f = entry[2]
    redis.call('XDEL', stream, entry[1])
    redis.call('HDEL', keys, 'i' .. f[2])
    if f[12] ~= '' then redis.call('HDEL', keys, 'k' .. f[12]) end
    gone, bytes = gone + 1, bytes + tonumber(f[10])
  end
end
if gone > 0 then
  -- Where memory is full nothing can be written: the window seems larger than it is, and lets go sooner.
  redis.pcall('HSET', meta, 'b', text(math.max(0, tonumber(redis.call('HGET', meta, 'b') or 0) - bytes)))
end
return { gone }
