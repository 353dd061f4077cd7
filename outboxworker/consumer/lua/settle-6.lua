-- settle-6: ends a lease, of what is done, is to be tried again, or is dead.
--
-- KEYS[1]  due: a sorted set of what waits by when it is due, in ms
-- KEYS[2]  leased: a sorted set of what is handled again by when its lease ends, in µs
-- KEYS[3]  entries: a hash of the fields of both
-- KEYS[4]  state: a hash of what is known about both
-- KEYS[5]  the stream of dead letters
-- KEYS[6]  replaying: a hash of the dead letters under replay
-- ARGV[1]  the id
-- ARGV[2]  when the lease ends in µs, as far as its owner knows
-- ARGV[3]  done, again, dead, or back: it was not begun
-- ARGV[4]  again: in how many ms
-- ARGV[5..8]  again, dead: the attempts that count, the class of the error, its text, its
--          fingerprint
-- ARGV[9]  for how long a lease lasts from an extension, in µs
-- ARGV[10] again: with how many consumers that vanished it was, of those that count
--
-- Returns 1, or 0 when the lease is not that owner's any more: then nothing has changed.

local due, leased, entries, states, dead, replaying = unpack(KEYS)
local id, outcome = ARGV[1], ARGV[3]
if not mine(call('ZSCORE', leased, id), ARGV[2], ARGV[9]) then
  return 0
end
call('ZCARD', due) -- fails before the first write if it is of the wrong type
call('XLEN', dead)
call('HLEN', replaying)
local text, blob = call('HGET', states, id), call('HGET', entries, id)
local at = now()
local state = readable(text, id)

if outcome == 'back' then
  call('ZREM', leased, id) -- first, as Redis then allows the rest also without memory
  call('ZADD', due, math.floor(at / 1000), id)
  return 1
end
if outcome ~= 'done' then
  state.first_failed_at = state.first_failed_at or math.floor(at / 1000)
  state.attempts, state.class, state.error, state.fingerprint = tonumber(ARGV[5]), ARGV[6], ARGV[7], ARGV[8]
  state.since, state.takeovers = math.floor(at / 1000), tonumber(ARGV[10])
end
if outcome == 'again' then
  call('ZREM', leased, id)
  call('HSET', states, id, cjson.encode(state))
  call('ZADD', due, math.ceil(at / 1000 + ARGV[4]), id)
  return 1
end

if outcome == 'dead' and blob then
  bury(dead, state, unpacked(blob))
end
if state.dead then
  call('XDEL', dead, state.dead)
  call('HDEL', replaying, state.dead)
end
call('HDEL', entries, id)
call('HDEL', states, id)
call('ZREM', leased, id)
return 1
