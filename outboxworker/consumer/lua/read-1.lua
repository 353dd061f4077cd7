-- read-1: reads entries that the group has not read.
--
-- KEYS[1]  the stream
-- ARGV[1]  the group
-- ARGV[2]  the consumer
-- ARGV[3]  the most entries, up to 500
-- ARGV[4]  after how many bytes of entries to end
--
-- Returns {id, fields} of each.

local entries, bytes = {}, 0
for i = 1, ARGV[3] do -- one at a time, as nobody knows before how large it is
  local found = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', 1, 'STREAMS', KEYS[1], '>')
  if not found then
    break
  end
  entries[i] = found[1][2][1]
  for _, text in ipairs(entries[i][2]) do
    bytes = bytes + #text
  end
  if bytes >= tonumber(ARGV[4]) then
    break
  end
end
return entries
