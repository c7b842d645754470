-- ARGV channel, least time between two counts in ms, most users of a list. Tells how many there are. Answers {1}, or {0}: too soon.
local channel, every, list_users = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local m = redis.call('HMGET', META .. channel, 'v', 'c', 't')
if not m[1] or m[1] == m[2] then return { 1 } end
local now = math.floor(microseconds() / 1000)
local passed = now - (tonumber(m[3]) or 0)
if passed >= 0 and passed < every then return { 0 } end
local living, dead = nodes()
local count = count_of(channel, living, dead, list_users)
redis.call('HSET', META .. channel, 'c', m[1], 't', text(now))
publish(channel, '\4', tonumber(m[1]), '\17\0\0\0\8' .. struct.pack('>I8', count))
return { 1 }
