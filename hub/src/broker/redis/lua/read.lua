-- KEYS meta, stream, keys. ARGV now, offset, 1 when descending, most entries, most bytes. Answers
-- {head, epoch, low, more, offset, identity, body, offset, identity, body, …}.
local now, offset, down = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local limit, most = tonumber(ARGV[4]), tonumber(ARGV[5])
local replid = replication()
local window = look(KEYS[1], KEYS[2], KEYS[3], now, replid)
if not window then return { 0, derived(KEYS[1], replid, now, 0), 0, 0 } end
local page = { window.head, window.epoch, window.low, 0 }
local bytes, taken = 0, 0
while true do
  local count = math.min(64, limit - taken + 1)
  local entries
  if down then
    if offset <= 1 then return page end
    entries = redis.call('XREVRANGE', KEYS[2], text(offset - 1), '-', 'COUNT', count)
  else
    entries = redis.call('XRANGE', KEYS[2], text(offset + 1), '+', 'COUNT', count)
  end
  for _, entry in ipairs(entries) do
    local f = entry[2]
    bytes = bytes + tonumber(f[10])
    if taken >= limit or (taken > 0 and bytes > most) then
      page[4] = 1
      return page
    end
    taken, offset = taken + 1, tonumber(string.match(entry[1], '^%d+'))
    page[#page + 1], page[#page + 2], page[#page + 3] = offset, f[6], f[8]
  end
  if #entries < count then return page end
end
