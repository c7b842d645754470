-- KEYS counter, pub/sub channel. ARGV the number that is thought to be the last, or -1; how long the counter lives, in ms. Beats,
-- unless somebody did since; whoever does not know the number only learns it. Answers the number.
local number = tonumber(redis.call('GET', KEYS[1]) or 0)
if number ~= 0 and number ~= tonumber(ARGV[1]) then return number end
number = redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SPUBLISH', KEYS[2], string.format('%.0f', number))
return number
