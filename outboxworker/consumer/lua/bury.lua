-- bury: functions that other scripts begin with.

local call = redis.call

-- now returns the time in µs.
local function now()
  local time = call('TIME')
  return time[1] * 1000000 + time[2]
end

-- readable returns a state, also where somebody else has written what is none.
local function readable(text, id)
  local ok, state = pcall(cjson.decode, text or '')
  if not ok or type(state) ~= 'table' then
    state = {}
  end
  local function keep(kind, ...)
    for _, name in ipairs({...}) do
      if type(state[name]) ~= kind then
        state[name] = nil
      end
    end
  end
  keep('number', 'attempts', 'before', 'replays', 'takeovers', 'first_failed_at')
  keep('string', 'entry', 'class', 'error', 'fingerprint', 'dead')
  state.entry = state.entry or id
  state.attempts = state.attempts or 0
  return state
end

-- fields returns the fields of what waits. What cannot be read becomes one field.
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

