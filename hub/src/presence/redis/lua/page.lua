-- ARGV channel, the user behind whom to begin or '', most users, most users of a list. Answers
-- {version, count, large, more, last user looked at, user, connections, user, connections, …}.
local channel, after, limit, list_users = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local living, dead = nodes()
local m = redis.call('HMGET', META .. channel, 'v', 'l')
local answer = { tonumber(m[1]) or 0, count_of(channel, living, dead, list_users), 0, 0, '' }
if m[2] == '1' then
  answer[3] = 1
  return answer
end
local from = after == '' and '-' or '(' .. after
local users = redis.call('ZRANGEBYLEX', USERS .. channel, from, '+', 'LIMIT', 0, limit + 1)
if #users > limit then
  answer[4] = 1
  table.remove(users)
end
if #users == 0 then return answer end
answer[5] = users[#users]
local connections = {}
-- Lua passes a bounded number of arguments.
for first = 1, #users, 1000 do
  local last = math.min(first + 999, #users)
  for _, incarnation in ipairs(living) do
    local held_here = redis.call('HMGET', held(incarnation, channel), unpack(users, first, last))
    for i, value in ipairs(held_here) do
      if value then connections[first + i - 1] = (connections[first + i - 1] or 0) + tonumber(value) end
    end
  end
end
for i, user in ipairs(users) do
  if connections[i] then
    answer[#answer + 1] = user
    answer[#answer + 1] = connections[i]
  end
end
return answer
