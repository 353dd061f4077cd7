-- stats-4: counts.
--
-- KEYS[1]  timers: a sorted set of ids by when they are due, in ms
-- KEYS[2]  leases: a sorted set of ids by when the lease ends, in µs
-- KEYS[3]  the epoch
-- KEYS[4]  foreign members of the timers
--
-- Returns {timers, leases, foreign, late, epoch}: how many there are, how late the first
-- timer is in ms, 0 or less if it is not due, and the epoch, or ''.

local call = redis.call
local first, late = call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES'), 0
if #first > 0 then
  local time = call('TIME')
  late = math.floor(time[1] * 1000 + time[2] / 1000 - tonumber(first[2]))
  late = math.max(math.min(late, 9007199254740991), -9007199254740991)
end
return {call('ZCARD', KEYS[1]), call('ZCARD', KEYS[2]), call('ZCARD', KEYS[4]), late, call('GET', KEYS[3]) or ''}
