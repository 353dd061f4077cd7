-- leave-5: acknowledges an entry of a stream that was not handled, and lets it wait or
-- makes it a dead letter. All of that or nothing: what could fail is asked first, and
-- what Redis refuses without memory comes before what it does not.
--
-- KEYS[1]  the stream
-- KEYS[2]  due: a sorted set of what waits by when it is due, in ms
-- KEYS[3]  entries: a hash of the fields of what waits
-- KEYS[4]  state: a hash of what is known about what waits
-- KEYS[5]  the stream of dead letters
-- ARGV[1]  the group
-- ARGV[2]  the consumer
-- ARGV[3]  the entry's id
-- ARGV[4]  in how many ms it is due, or '' for a dead letter
-- ARGV[5..8]  the attempts that count, the class of the error, its text, its fingerprint
-- ARGV[9]  with how many consumers that vanished it was, of those that count
-- ARGV[10..] the entry's fields, if it is in the stream no more
--
-- Returns 1, or 0 when the entry is another consumer's or was acknowledged, or -1 when it
-- is not in the stream and no fields are given; then it has changed nothing. An entry that
-- was removed from the stream may be pending no more, as a takeover ends that.

local found = call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1]
local pending = call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)[1]
if pending and pending[2] ~= ARGV[2] or found and not pending then
  return 0
end
local fields = found and found[2] or {}
for i = 10, found and 0 or #ARGV do
  fields[#fields + 1] = ARGV[i]
end
if #fields == 0 then
  return -1
end
call('ZCARD', KEYS[2])
call('HLEN', KEYS[4])
call('XLEN', KEYS[5])

local at = now()
local state = {
  entry = ARGV[3], attempts = tonumber(ARGV[5]), class = ARGV[6], error = ARGV[7], fingerprint = ARGV[8],
  first_failed_at = math.floor(at / 1000), since = math.floor(at / 1000), takeovers = tonumber(ARGV[9]),
}
if ARGV[4] == '' then
  bury(KEYS[5], state, fields)
else
  local id = ARGV[3]
  while call('HEXISTS', KEYS[3], id) == 1 do
    id = id .. "'" -- of a stream that was there before this one
  end
  call('HSET', KEYS[3], id, cmsgpack.pack(fields))
  call('HSET', KEYS[4], id, cjson.encode(state))
  call('ZADD', KEYS[2], math.ceil(at / 1000 + ARGV[4]), id)
end
call('XACK', KEYS[1], ARGV[1], ARGV[3])
return 1
