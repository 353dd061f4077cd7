-- done-1: marks a message done, whoever has it claimed: its effect has happened.
--
-- KEYS[1]  the message's key, for one group
-- ARGV[1]  the token of who was done
-- ARGV[2]  how long the marker is kept, in ms
--
-- Returns how the key was found. own: claimed or already marked by this token. expired:
-- there was nothing. taken: another has claimed it. done: another has marked it, and that
-- marker stays. foreign: it holds something else, and nothing was changed.

local held = redis.call('GET', KEYS[1])
local found = 'expired'
if held then
  local phase = string.sub(held, 1, 2)
  if held == 'D:' .. ARGV[1] then
    return 'own'
  elseif phase == 'D:' then
    return 'done'
  elseif phase ~= 'P:' then
    return 'foreign'
  end
  found = held == 'P:' .. ARGV[1] and 'own' or 'taken'
end
redis.call('DEL', KEYS[1]) -- Redis then allows the rest also without memory
redis.call('SET', KEYS[1], 'D:' .. ARGV[1], 'PX', ARGV[2])
return found
