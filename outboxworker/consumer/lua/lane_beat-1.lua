-- lane_beat-1: tells the other consumers of a group that one lives, or that it goes.
--
-- KEYS[1]  the consumers: a sorted set of their names by when they were heard of, in ms
-- ARGV[1]  the consumer's name
-- ARGV[2]  after how many ms without a sign a consumer does not count any more
-- ARGV[3]  1 when this one goes
--
-- Returns how many there are.

local call = redis.call
local time = call('TIME')
local now = math.floor(time[1] * 1000 + time[2] / 1000)
-- What needs memory is not refused after a write.
call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
-- Since the clock was set back, nobody else would ever be: those that live come back.
call('ZREMRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')
if ARGV[3] == '1' then
  call('ZREM', KEYS[1], ARGV[1])
else
  call('ZADD', KEYS[1], now, ARGV[1])
end
call('PEXPIRE', KEYS[1], 10 * ARGV[2])
return call('ZCARD', KEYS[1])
