-- begin-1: claims a message unless it is claimed or done.
--
-- KEYS[1]  the message's key, for one group
-- ARGV[1]  the token of who asks
-- ARGV[2]  the lease in ms
--
-- Returns {state, left}. started: the key holds P:<token> for the lease. busy: it holds
-- another's, for left ms. done: it holds D:<token> of whoever was done. foreign: it holds
-- something else. Asked again with the same token, it starts again.

local held = redis.call('GET', KEYS[1])
if not held then
  -- Redis then allows the rest also without memory: what is handled needs less of it.
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[1], 'P:' .. ARGV[1], 'PX', ARGV[2])
  return {'started', 0}
end
local phase = string.sub(held, 1, 2)
if phase == 'D:' then
  return {'done', 0}
elseif phase ~= 'P:' then
  return {'foreign', 0}
end
local left = redis.call('PTTL', KEYS[1])
-- Without an expiry, which somebody took away, it would be busy for ever.
if left < 0 or held == 'P:' .. ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  left = tonumber(ARGV[2])
end
if held == 'P:' .. ARGV[1] then
  return {'started', 0}
end
return {'busy', left}
