-- takeover-1: takes over entries whose consumer has given no sign of life for long.
--
-- KEYS[1]  the stream
-- ARGV[1]  the group
-- ARGV[2]  the consumer that takes them over
-- ARGV[3]  the least ms without a sign of life
-- ARGV[4]  where to begin: 0-0, or what the call before returned
-- ARGV[5]  the most entries, up to 500
--
-- Returns {next, {deleted, ...}, {id, delivered, fields}, ...}: where to go on, or 0-0;
-- the ids of entries that are in the stream no more, which it has acknowledged; and each
-- entry with how often it has been delivered, this time included.

local call = redis.call
local found = call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'COUNT', ARGV[5])
local answer = {found[1], found[3] or {}}
for _, entry in ipairs(found[2]) do
  if entry then
    local pending = call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1, ARGV[2])
    answer[#answer + 1] = {entry[1], pending[1] and pending[1][4] or 1, entry[2]}
  end
end
return answer
