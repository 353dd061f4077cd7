-- takeover-1: takes over entries whose consumer has given no sign of life for long.
--
-- KEYS[1]  the stream
-- ARGV[1]  the group
-- ARGV[2]  the consumer that takes them over
-- ARGV[3]  the least ms without a sign of life
-- ARGV[4]  where to begin: -, or what the call before returned
-- ARGV[5]  the most entries, up to 500
-- ARGV[6]  after how many bytes of entries to end
-- ARGV[7]  from how many consumers on that vanished with it an entry is a suspect
-- ARGV[8]  1 if a suspect may be taken over, and not more than that one; 0 if none
--
-- Returns {next, left, {deleted, ...}, {id, delivered, fields}, ...}: where to go on, or
-- '' at the end; 1 if suspects were left; the ids of entries that are in the stream no
-- more, which it has acknowledged; and each entry with how often it has been delivered,
-- this time included.

local call = redis.call
local stream, group = KEYS[1], ARGV[1]
local cursor, left, deleted, entries, bytes = ARGV[4], 0, {}, {}, 0
local alone = ARGV[8] == '1'

local function take(id, delivered)
  local entry = call('XCLAIM', stream, group, ARGV[2], 0, id)[1]
  if not entry or not entry[2] then
    call('XACK', stream, group, id) -- XCLAIM has ended it, where Redis is 7 or newer
    deleted[#deleted + 1] = id
    return
  end
  entries[#entries + 1] = {id, delivered, entry[2]}
  for _, text in ipairs(entry[2]) do
    bytes = bytes + #text
  end
end

for _ = 1, ARGV[5] do -- one at a time, as nobody knows before how large it is
  local found = call('XPENDING', stream, group, 'IDLE', ARGV[3], cursor, '+', 1)[1]
  if not found then
    cursor = ''
    break
  end
  cursor = '(' .. found[1]
  local suspect = found[4] >= tonumber(ARGV[7])
  if suspect and not alone then
    left = 1
  else
    alone = alone and not suspect
    take(found[1], found[4] + 1)
  end
  if bytes >= tonumber(ARGV[6]) then
    break
  end
end
return {cursor, left, deleted, unpack(entries)}
