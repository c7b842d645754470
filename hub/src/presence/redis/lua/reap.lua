-- ARGV most entries, most users of a list. Takes away entries of incarnations that do not count any more. Answers {taken, 1 when
-- there is more}.
local budget, list_users = tonumber(ARGV[1]), tonumber(ARGV[2])
local living, dead = nodes()
local taken = 0
for _, incarnation in ipairs(dead) do
  while true do
    if budget <= 0 then return { taken, 1 } end
    local channel = redis.call('SRANDMEMBER', ROOMS .. incarnation)
    if not channel then
      redis.call('SREM', NODES, incarnation)
      break
    end
    local key = held(incarnation, channel)
    local users = redis.call('HRANDFIELD', key, budget)
    for _, user in ipairs(users) do
      redis.call('HDEL', key, user)
      taken = taken + 1
      if not holds(living, channel, user) and not holds(dead, channel, user)
        and redis.call('ZREM', USERS .. channel, user) == 1 then
        change(channel, '\1', user, 0, false, list_users)
      end
    end
    -- Looking at a channel has a price too.
    budget = budget - math.max(#users, 1)
    if redis.call('EXISTS', key) == 0 then redis.call('SREM', ROOMS .. incarnation, channel) end
  end
end
return { taken, 0 }
