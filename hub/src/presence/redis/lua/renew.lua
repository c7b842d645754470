-- ARGV incarnation or '', the next one, ttl in ms. Answers {1}: renewed; {0}: the next one has begun. A lease of another life of
-- Redis is not renewed: what was entered or taken away under it last may be missing here. It counts until it runs out, so that
-- everybody has the time to enter again.
local own, next, ttl = ARGV[1], ARGV[2], ARGV[3]
if own ~= '' and redis.call('GET', LEASE .. own) == replication() then
  redis.call('PEXPIRE', LEASE .. own, ttl)
  -- Parts may have been evicted.
  redis.call('SADD', NODES, own)
  return { 1 }
end
redis.call('SET', LEASE .. next, replication(), 'PX', ttl)
redis.call('SADD', NODES, next)
return { 0 }
