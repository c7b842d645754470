-- KEYS meta, stream, keys of each window, ARGV now. Answers {windows, head, epoch, low, past, head, epoch, low, past, …}.
local now = tonumber(ARGV[1])
local replid = replication()
local heads = { #KEYS / 3 }
for i = 1, #KEYS, 3 do
  local window = look(KEYS[i], KEYS[i + 1], KEYS[i + 2], now, replid)
  local n = #heads
  if window then
    heads[n + 1], heads[n + 2], heads[n + 3], heads[n + 4] = window.head, window.epoch, window.low, window.past
  else
    heads[n + 1], heads[n + 2], heads[n + 3] = 0, derived(KEYS[i], replid, now, 0), 0
    heads[n + 4] = derived(KEYS[i], replid, now, 1) .. ':0'
  end
end
return heads
