-- bury: functions that other scripts begin with.

local call = redis.call

-- now returns the time in µs.
local function now()
  local time = call('TIME')
  return time[1] * 1000000 + time[2]
end

-- finite returns a number that can be calculated with and written again, or nil: what
-- somebody else has written may be none, or infinite.
local function finite(value)
  local number = tonumber(value)
  if number and math.abs(number) < 1e15 then
    return number
  end
end

-- readable returns a state, also where somebody else has written what is none.
local function readable(text, id)
  local ok, found = pcall(cjson.decode, text or '')
  if not ok or type(found) ~= 'table' then
    found = {}
  end
  local state = {}
  for _, name in ipairs({'attempts', 'before', 'replays', 'takeovers', 'first_failed_at', 'since'}) do
    state[name] = type(found[name]) == 'number' and finite(found[name]) or nil
  end
  for _, name in ipairs({'entry', 'class', 'error', 'fingerprint', 'dead'}) do
    state[name] = type(found[name]) == 'string' and found[name] or nil
  end
  local ms, seq = string.match(state.dead or '', '^(%d+)-(%d+)$')
  if not ms or #ms > 19 or #seq > 19 then
    state.dead = nil -- no id of an entry
  end
  state.entry = state.entry or id
  state.attempts = state.attempts or 0
  return state
end

-- unpacked returns the fields of what waits. What cannot be read becomes one field.
local function unpacked(blob)
  local ok, fields = pcall(cmsgpack.unpack, blob)
  if not ok or type(fields) ~= 'table' or #fields == 0 or #fields % 2 ~= 0 then
    return {'unreadable', blob}
  end
  for _, text in ipairs(fields) do
    if type(text) ~= 'string' then
      return {'unreadable', blob}
    end
  end
  return fields
end

-- lease_end returns when a lease ends, in µs: not before that time. Its last four digits are
-- the mark of its owner.
local function lease_end(at, mark)
  return math.ceil(at / 10000) * 10000 + mark
end

-- mine tells whether a lease that ends then, in µs, is that of an owner who knows of an
-- earlier end or the same, and for how long it lasts from each extension. If it was given
-- before the end that the owner knows, he has extended it, and the answer was lost: nobody
-- else is given a lease that has not ended. One that was ended by an answer that was lost, as
-- its message waits again, may be another's already: that has another mark, but for one of
-- 10,000.
local function mine(ends, known, length)
  ends, known = tonumber(ends), tonumber(known)
  return ends and (ends == known or ends > known and ends - length < known and (ends - known) % 10000 == 0)
end

-- postpone has a suspect that is due looked at again a little later, when the one that is in
-- hand may have ended. The half of a millisecond tells that time from all others.
local postponed = 100.5
local function postpone(due, id, at)
  call('ZREM', due, id) -- first, as Redis then allows the rest also without memory
  call('ZADD', due, math.floor(at / 1000) + postponed, id)
end

-- bury appends a dead letter: what is known about it, always in this order, and then the
-- entry's own fields. More than a call can have become one field.
local function bury(key, state, fields)
  if #fields > 1000 then
    fields = {'fields_msgpack', cmsgpack.pack(fields)}
  end
  call('XADD', key, '*',
    'dead_entry', state.entry,
    'dead_attempts', (state.before or 0) + state.attempts,
    'dead_class', state.class or '',
    'dead_error', state.error or '',
    'dead_fingerprint', state.fingerprint or '',
    'dead_replays', state.replays or 0,
    'dead_first_failed_at', state.first_failed_at or '',
    unpack(fields))
end

