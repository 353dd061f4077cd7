-- repair-3: makes due what is neither due nor leased, as somebody has removed a key. It
-- looks at a part of what waits.
--
-- KEYS[1]  due: a sorted set of what waits by when it is due, in ms
-- KEYS[2]  leased: a sorted set of what is handled again by when its lease ends, in µs
-- KEYS[3]  entries: a hash of the fields of both
-- ARGV[1]  where to begin: 0, or what the call before returned
-- ARGV[2]  after how many bytes of entries to end
--
-- Returns {next, added}: where to go on, or 0, and how many were made due.

local call = redis.call
local time = call('TIME')
local at, added = time[1] * 1000 + math.floor(time[2] / 1000), 0
local cursor, count, bytes = ARGV[1], 0, 0
repeat
  local found = call('HSCAN', KEYS[3], cursor, 'COUNT', 8) -- a few, as any may be large
  cursor = found[1]
  for i = 1, #found[2], 2 do
    local id = found[2][i]
    count, bytes = count + 1, bytes + #found[2][i + 1]
    if not call('ZSCORE', KEYS[2], id) then
      added = added + call('ZADD', KEYS[1], 'NX', at, id)
    end
  end
until cursor == '0' or count >= 100 or bytes >= tonumber(ARGV[2])
return {cursor, added}
