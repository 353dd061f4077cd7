-- extend-1: has leases last for longer.
--
-- KEYS[1]  leased: a sorted set by when the lease ends, in µs
-- ARGV[1]  how long they last from now on, in µs
-- ARGV[2]  the owner's mark, up to 9999
-- ARGV[3..] for each: the id, and when the lease ends in µs, as far as its owner knows; 500
--          at most
--
-- Returns {end, held, held, ...}: when the leases end now, and of each whether it was
-- still its owner's.

local ends = lease_end(now() + ARGV[1], ARGV[2])
local answer = {ends}
for i = 3, #ARGV, 2 do
  local held = mine(call('ZSCORE', KEYS[1], ARGV[i]), ARGV[i + 1], ARGV[1])
  if held then
    call('ZREM', KEYS[1], ARGV[i]) -- first, as Redis then allows the rest also without memory
    call('ZADD', KEYS[1], ends, ARGV[i])
  end
  answer[#answer + 1] = held and 1 or 0
end
return answer
