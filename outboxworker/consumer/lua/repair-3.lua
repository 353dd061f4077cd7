-- repair-3: makes due what is neither due nor leased, as somebody has removed a key. It
-- looks at a part of what waits.
--
-- KEYS[1]  due: a sorted set of what waits by when it is due, in ms
-- KEYS[2]  leased: a sorted set of what is handled again by when its lease ends, in µs
-- KEYS[3]  entries: a hash of the fields of both
-- ARGV[1]  where to begin: 0, or what the call before returned
--
-- Returns {next, added}: where to go on, or 0, and how many were made due.

local call = redis.call
local time = call('TIME')
local at, added = time[1] * 1000 + math.floor(time[2] / 1000), 0
local found = call('HSCAN', KEYS[3], ARGV[1], 'COUNT', 100)
for i = 1, #found[2], 2 do
  local id = found[2][i]
  if not call('ZSCORE', KEYS[2], id) then
    added = added + call('ZADD', KEYS[1], 'NX', at, id)
  end
end
return {found[1], added}
