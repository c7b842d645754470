-- KEYS counter, pub/sub channel. ARGV the number that was heard last, or -1; how long the counter lives, in ms. Beats, unless
-- somebody did since. Answers the number.
local number = tonumber(redis.call('GET', KEYS[1]) or 0)
if number ~= tonumber(ARGV[1]) and tonumber(ARGV[1]) ~= -1 and number ~= 0 then return number end
number = redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SPUBLISH', KEYS[2], string.format('%.0f', number))
return number
