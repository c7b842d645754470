-- ARGV incarnation or '', the next one, ttl in ms. Answers {1}: renewed; {0}: the next one has begun.
local own, next, ttl = ARGV[1], ARGV[2], ARGV[3]
if own ~= '' and redis.call('EXISTS', LEASE .. own) == 1 then
  redis.call('PEXPIRE', LEASE .. own, ttl)
  -- Parts may have been evicted.
  redis.call('SADD', NODES, own)
  return { 1 }
end
redis.call('SET', LEASE .. next, '1', 'PX', ttl)
redis.call('SADD', NODES, next)
return { 0 }
