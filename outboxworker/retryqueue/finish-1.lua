-- finish-1: says that the queue is whole again.
--
-- KEYS[1]  the epoch
-- ARGV[1]  the epoch under which all timers were added
--
-- Returns 1, or 0 when that epoch is gone, and with it perhaps timers.

local epoch = redis.call('GET', KEYS[1])
if epoch == '~' .. ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1])
  return 1
end
return epoch == ARGV[1] and 1 or 0
