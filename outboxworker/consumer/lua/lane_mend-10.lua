-- lane_mend-10: makes due what waits and is neither due nor taken nor behind others of its
-- key: somebody has removed a key, or an operator has replayed or discarded an entry.
--
-- ARGV[2]  the length of the owner's lease in ms, which lasts from now
-- ARGV[3]  all: look at everything that waits; or keys: look at the first of each key
-- ARGV[4]  where to begin: 0, or what the call before returned
-- ARGV[5]  all: after how many bytes of entries to end
--
-- Returns {1, next, short, sleep}: where to go on, or 0; 1 when there are fewer due and
-- taken than there must be; and in how many ms the next of those that wait is due, or -1.

if not owned() then
  return {0}
end
call('PEXPIRE', owner, ARGV[2]) -- what needs memory is not refused after a write
local at, cursor = now(), ARGV[4]
if ARGV[3] == 'all' then
  local count, bytes = 0, 0
  repeat
    local found = call('HSCAN', entries, cursor, 'COUNT', 8) -- a few, as any may be large
    cursor = found[1]
    for i = 1, #found[2], 2 do
      local name, blob = found[2][i], found[2][i + 1]
      count, bytes = count + 1, bytes + #blob
      local hash = hash_of(unpacked(blob))
      if hash ~= '' then
        call('ZADD', parked, 0, member(hash, readable(call('HGET', states, name), name).entry, name))
        follow(hash, at)
      elseif not call('ZSCORE', leased, name) then
        call('ZADD', due, 'NX', math.floor(at / 1000), name)
      end
    end
  until cursor == '0' or count >= 100 or bytes >= tonumber(ARGV[5])
  return {1, cursor, 0, next_due(at)}
end
for _ = 1, 200 do
  local after = cursor == '0' and '-' or '(' .. cursor .. ';'
  local found = call('ZRANGEBYLEX', parked, after, '+', 'LIMIT', 0, 1)[1]
  if not found then
    local alone = call('HLEN', entries) - call('ZCARD', parked) -- have no key
    return {1, '0', alone > call('ZCARD', due) + call('ZCARD', leased) and 1 or 0, next_due(at)}
  end
  cursor = string.sub(found, 1, 40)
  if string.find(found, '^%x+:%d+-%d+:', 1) and string.sub(found, 41, 41) == ':' then
    follow(cursor, at)
  else
    call('ZREM', parked, found)
  end
end
return {1, cursor, 0, next_due(at)}
