-- discard-7: removes dead letters, and what is being replayed of them.
--
-- KEYS[1]  due: a sorted set of what waits by when it is due, in ms
-- KEYS[2]  leased: a sorted set of what is handled again by when its lease ends, in µs
-- KEYS[3]  entries: a hash of the fields of both
-- KEYS[4]  state: a hash of what is known about both
-- KEYS[5]  the stream of dead letters
-- KEYS[6]  replaying: a hash of the dead letters under replay
-- KEYS[7]  the audit stream
-- ARGV[1..4]  for the audit: who, why, by which filter, which run
-- ARGV[5..] the ids of dead letters; 500 at most
--
-- Returns of each: ok, or gone.

local call = redis.call
local due, leased, entries, states, dead, replaying, audit = unpack(KEYS)
call('ZCARD', due) -- these fail before the first write if a key is of the wrong type
call('ZCARD', leased)
call('HLEN', entries)
call('HLEN', states)
call('HLEN', replaying)
call('XLEN', audit)

local answer, changed = {}, {}
for i = 5, #ARGV do
  local id, result = ARGV[i], 'gone'
  if #call('XRANGE', dead, id, id) > 0 then
    result = 'ok'
    changed[#changed + 1] = id
  end
  answer[#answer + 1] = result
end
for _, id in ipairs(changed) do
  local name = 'dead:' .. id
  call('XDEL', dead, id)
  if call('HDEL', replaying, id) == 1 then
    call('ZREM', due, name)
    call('ZREM', leased, name)
    call('HDEL', entries, name)
    call('HDEL', states, name)
  end
end
-- Last, as Redis allows it after a removal also without memory.
if #changed > 0 then
  call('XADD', audit, '*', 'action', 'discard', 'actor', ARGV[1], 'reason', ARGV[2], 'filter', ARGV[3], 'run', ARGV[4],
    'count', #changed, 'ids', table.concat(changed, ','))
end
return answer
