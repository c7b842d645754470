-- What the scripts of presence share. Everything of a bucket lives under seven keys and key prefixes with its hash tag:
--   NODES                        set: the incarnations of nodes that hold a lease here, or did until they are reaped
--   LEASE <incarnation>          there while the incarnation counts: the life of Redis in which it began
--   ROOMS <incarnation>          set: the channels in which it has entries
--   HELD  <incarnation> <channel>  hash: user → connections
--   USERS <channel>              sorted set, by name: every user with an entry of whatever incarnation
--   META  <channel>              hash: v version, r the life of Redis that gave it, l 1 when large, c version that was counted last,
--                                t when, in ms
--   TOPIC <channel>              the pub/sub channel
-- Versions are numbers below 2^53, which Lua holds exactly; '%.0f' writes them without an exponent.
local NODES, LEASE, ROOMS, HELD, USERS, META, TOPIC = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
-- How long the version of an empty channel is kept, in ms. After that it begins at the time, which is above it.
local MEMORY = 3600000

local function text(number)
  return string.format('%.0f', number)
end

local function microseconds()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- The life of this Redis. It differs after a restart, a failover and a restore: what another life wrote last may be missing.
local life
local function replication()
  if not life then
    local all = redis.call('INFO', 'replication')
    local _, at = string.find(all, 'master_replid:', 1, true)
    life = string.sub(all, at + 1, string.find(all, '\r', at, true) - 1)
  end
  return life
end

local function held(incarnation, channel)
  return HELD .. incarnation .. ' ' .. channel
end

-- The incarnations that count, and those that do not.
local function nodes()
  local living, dead = {}, {}
  for _, incarnation in ipairs(redis.call('SMEMBERS', NODES)) do
    local list = redis.call('EXISTS', LEASE .. incarnation) == 1 and living or dead
    list[#list + 1] = incarnation
  end
  return living, dead
end

local function holds(incarnations, channel, user)
  for _, incarnation in ipairs(incarnations) do
    if redis.call('HEXISTS', held(incarnation, channel), user) == 1 then return true end
  end
  return false
end

-- An envelope, as `protocol/src/envelope/wire.rs` has it. No node is its origin, so every node hears it.
local function publish(channel, kind, version, rest)
  local head = '\1' .. kind .. string.rep('\0', 16) .. string.rep('0', 32)
  redis.call('SPUBLISH', TOPIC .. channel, head .. '\8\0\0\0\8' .. struct.pack('>I8', version) .. rest)
end

-- Numbers a join ('\0') or a leave ('\1') of a channel and tells it where that is due.
local function change(channel, event, user, above, silent, list_users)
  local m = redis.call('HMGET', META .. channel, 'v', 'l', 'r')
  local version = tonumber(m[1])
  -- Versions of another life may have been told and forgotten. They are below the time: nothing changes a million times a second.
  if not version or m[3] ~= replication() then version = math.max(version or 0, microseconds()) end
  version = math.max(version, above) + 1
  local count = redis.call('ZCARD', USERS .. channel)
  local large = count > list_users or (m[2] == '1' and count > math.floor(list_users / 4) * 3)
  redis.call('HSET', META .. channel, 'v', text(version), 'r', replication(), 'l', large and '1' or '0')
  if count == 0 then
    redis.call('PEXPIRE', META .. channel, MEMORY)
  elseif count == 1 and event == '\0' then
    redis.call('PERSIST', META .. channel)
  end
  if not large and not silent then
    publish(channel, '\2', version, '\9\0\0\0\1' .. event .. '\7' .. struct.pack('>I4', #user) .. user)
  end
end

-- How many users count in a channel. Where an incarnation that does not count any more left very many entries, its users on
-- other nodes are not looked for: an estimate until it is reaped.
local function count_of(channel, living, dead, list_users)
  local count = redis.call('ZCARD', USERS .. channel)
  local ghosts = {}
  for _, incarnation in ipairs(dead) do
    local key = held(incarnation, channel)
    local left = redis.call('HLEN', key)
    if left > list_users then
      count = count - left
    elseif left > 0 then
      for _, user in ipairs(redis.call('HKEYS', key)) do
        if not ghosts[user] and not holds(living, channel, user) then
          ghosts[user] = true
          count = count - 1
        end
      end
    end
  end
  return math.max(count, 0)
end
