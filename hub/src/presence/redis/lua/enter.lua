-- ARGV incarnation, most users of a list, then for each entry: channel, user, connections or '', 1 when again, the version it is
-- to be above. Answers {1, version, large, version, large, …}, or {0}: the lease is gone and nothing was done.
local own, list_users = ARGV[1], tonumber(ARGV[2])
if redis.call('EXISTS', LEASE .. own) == 0 then return { 0 } end
local living, dead = nodes()
local answer = { 1 }
for i = 3, #ARGV, 5 do
  local channel, user, connections = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local again, above = ARGV[i + 3] == '1', tonumber(ARGV[i + 4])
  local key = held(own, channel)
  if connections ~= '' then
    local counted = holds(living, channel, user)
    if not counted then
      for _, incarnation in ipairs(dead) do redis.call('HDEL', held(incarnation, channel), user) end
    end
    if redis.call('HSET', key, user, connections) == 1 then
      redis.call('SADD', ROOMS .. own, channel)
      redis.call('ZADD', USERS .. channel, 0, user)
    end
    -- Entries of incarnations that do not count are in no list: it is a join for everybody who asked meanwhile.
    if not counted then change(channel, '\0', user, above, again, list_users) end
  elseif redis.call('HDEL', key, user) == 1 then
    if redis.call('EXISTS', key) == 0 then redis.call('SREM', ROOMS .. own, channel) end
    -- What stands under a lease that is gone leaves when it is reaped.
    if not holds(living, channel, user) and not holds(dead, channel, user) then
      redis.call('ZREM', USERS .. channel, user)
      change(channel, '\1', user, above, false, list_users)
    end
  end
  local m = redis.call('HMGET', META .. channel, 'v', 'l')
  answer[#answer + 1] = tonumber(m[1]) or above
  answer[#answer + 1] = m[2] == '1' and 1 or 0
end
return answer
