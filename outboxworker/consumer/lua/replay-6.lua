-- replay-6: has dead letters handled again. They stay, marked, until that is done.
--
-- KEYS[1]  due: a sorted set of what waits by when it is due, in ms
-- KEYS[2]  entries: a hash of the fields of what waits
-- KEYS[3]  state: a hash of what is known about what waits
-- KEYS[4]  the stream of dead letters
-- KEYS[5]  replaying: a hash of the dead letters under replay, and when that began, in ms
-- KEYS[6]  the audit stream
-- ARGV[1]  how often a message may be replayed
-- ARGV[2..5]  for the audit: who, why, by which filter, which run
-- ARGV[6..] the ids of dead letters; 500 at most
--
-- Returns of each: ok, replaying, replays, gone, or foreign, when it is no dead letter.

local due, entries, states, dead, replaying, audit = unpack(KEYS)
call('ZCARD', due) -- these fail before the first write if a key is of the wrong type
call('HLEN', entries)
call('HLEN', states)
call('XLEN', audit)
local at = math.floor(now() / 1000)

local function replay(id)
  local found = call('XRANGE', dead, id, id)[1]
  if not found then
    return 'gone'
  end
  if call('HEXISTS', replaying, id) == 1 then
    return 'replaying'
  end
  local all = found[2]
  if all[1] ~= 'dead_entry' or all[13] ~= 'dead_first_failed_at' or #all < 16 then
    return 'foreign'
  end
  local replays = finite(all[12]) or 0
  if replays >= tonumber(ARGV[1]) then
    return 'replays'
  end
  local blob
  if all[15] == 'fields_msgpack' then
    blob = all[16]
  else
    local fields = {}
    for i = 15, #all do
      fields[#fields + 1] = all[i]
    end
    blob = cmsgpack.pack(fields)
  end
  local state = {
    entry = all[2], attempts = 0, before = finite(all[4]) or 0, class = all[6], error = all[8], fingerprint = all[10],
    replays = replays + 1, first_failed_at = finite(all[14]), since = at, dead = id,
  }
  local name = 'dead:' .. id
  call('HSET', entries, name, blob)
  call('HSET', states, name, cjson.encode(state))
  call('HSET', replaying, id, at)
  call('ZADD', due, at, name)
  return 'ok'
end

local answer, changed = {}, {}
for i = 6, #ARGV do
  answer[#answer + 1] = replay(ARGV[i])
  if answer[#answer] == 'ok' then
    changed[#changed + 1] = ARGV[i]
  end
end
if #changed > 0 then
  call('XADD', audit, '*', 'action', 'replay', 'actor', ARGV[2], 'reason', ARGV[3], 'filter', ARGV[4], 'run', ARGV[5],
    'count', #changed, 'ids', table.concat(changed, ','))
end
return answer
