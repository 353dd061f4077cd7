-- takeover-1: takes over entries whose consumer has given no sign of life for long.
--
-- KEYS[1]  the stream
-- ARGV[1]  the group
-- ARGV[2]  the consumer that takes them over
-- ARGV[3]  the least ms without a sign of life
-- ARGV[4]  where to begin: 0-0, or what the call before returned
-- ARGV[5]  the most entries, up to 500
-- ARGV[6]  about how many bytes of entries to return at most
--
-- Returns {next, {deleted, ...}, {id, delivered, fields}, ...}: where to go on, or 0-0;
-- the ids of entries that are in the stream no more, which it has acknowledged; and each
-- entry with how often it has been delivered, this time included.

local call = redis.call
local cursor, deleted, entries, bytes = ARGV[4], {}, {}, 0
for _ = 1, ARGV[5] do -- one at a time, as nobody knows before how large it is
  local found = call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], cursor, 'COUNT', 1)
  cursor = found[1]
  for _, id in ipairs(found[3] or {}) do
    deleted[#deleted + 1] = id
  end
  for _, entry in ipairs(found[2]) do
    if entry then
      local pending = call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1, ARGV[2])
      entries[#entries + 1] = {entry[1], pending[1] and pending[1][4] or 1, entry[2]}
      for _, text in ipairs(entry[2]) do
        bytes = bytes + #text
      end
    end
  end
  if cursor == '0-0' or bytes >= tonumber(ARGV[6]) then
    break
  end
end
return {cursor, deleted, unpack(entries)}
