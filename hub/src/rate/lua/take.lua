-- KEYS buckets of one tenant: hash, n what it holds (below 0 in debt), t when that was, in µs of this server.
-- ARGV count, then for each bucket its rate per second and its burst. Takes from all or from none. Answers 0: taken, or in how
-- many ms there is room.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local count = tonumber(ARGV[1])
local left, wait = {}, 0
for i, key in ipairs(KEYS) do
  local rate, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local bucket = redis.call('HMGET', key, 'n', 't')
  local passed = math.max(0, now - (tonumber(bucket[2]) or now))
  local tokens = math.min(burst, (tonumber(bucket[1]) or burst) + passed * rate / 1000000)
  local missing = math.min(count, burst) - tokens
  if missing > 0 then wait = math.max(wait, math.ceil(missing * 1000 / rate), 1) end
  left[i] = tokens - count
end
if wait > 0 then return wait end
for i, key in ipairs(KEYS) do
  local rate, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  redis.call('HSET', key, 'n', string.format('%.6f', left[i]), 't', string.format('%.0f', now))
  -- A full bucket is as good as none.
  redis.call('PEXPIRE', key, string.format('%.0f', math.ceil((burst - left[i]) * 1000 / rate) + 1000))
end
return 0
