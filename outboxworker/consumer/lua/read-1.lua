-- read-1: reads entries that the group has not read.
--
-- KEYS[1]  the stream
-- ARGV[1]  the group
-- ARGV[2]  the consumer
-- ARGV[3]  the most entries, up to 500
-- ARGV[4]  after how many bytes of entries to end
--
-- Returns {id, fields} of each.

local entries, bytes, most, enough = {}, 0, tonumber(ARGV[3]), tonumber(ARGV[4])
-- Nobody knows before how large the next are: they are read by a few, as many as would fit
-- if none were larger than those so far.
local few, largest = 1, 1
while #entries < most and bytes < enough do
  local count = math.min(few, most - #entries)
  local found = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', count, 'STREAMS', KEYS[1], '>')
  for _, entry in ipairs(found and found[1][2] or {}) do
    local size = 0
    for _, text in ipairs(entry[2]) do
      size = size + #text
    end
    entries[#entries + 1] = entry
    bytes, largest = bytes + size, math.max(largest, size)
  end
  if not found or #found[1][2] < count then
    break
  end
  few = math.max(1, math.min(8, 2 * few, math.floor((enough - bytes) / largest)))
end
return entries
