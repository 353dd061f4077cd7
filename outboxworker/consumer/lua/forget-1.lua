-- forget-1: removes consumers from a group that are gone and have nothing pending.
--
-- KEYS[1]  the stream
-- ARGV[1]  the group
-- ARGV[2]  a consumer that stays
-- ARGV[3]  the least ms without a call of the others
--
-- Returns how many were removed.

local call = redis.call
local removed = 0
for _, flat in ipairs(call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #flat, 2 do
    consumer[flat[i]] = flat[i + 1]
  end
  if consumer.name ~= ARGV[2] and consumer.pending == 0 and consumer.idle >= tonumber(ARGV[3]) then
    call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    removed = removed + 1
  end
end
return removed
