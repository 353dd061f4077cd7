-- waiting: what the scripts for operators have in common, after bury and lane, whose keys
-- they take. They ask for no owner, and serve streams without lanes too, of which nothing is
-- parked.

-- check fails if a key is of the wrong type: before the first write.
local function check()
  for _, key in ipairs({due, leased, parked}) do
    call('ZCARD', key)
  end
  call('HLEN', entries)
  call('HLEN', states)
end

-- first returns the name of the first that waits of a key, or nil. Unlike queue it writes
-- nothing.
local function first(hash)
  local after = '[' .. hash .. ':'
  while true do
    local found = call('ZRANGEBYLEX', parked, after, '(' .. hash .. ';', 'LIMIT', 0, 1)[1]
    if not found then
      return nil
    end
    local name = string.sub(found, 84)
    if call('HEXISTS', entries, name) == 1 then
      return name
    end
    after = '(' .. found
  end
end

-- condition returns what an entry that waits does: it is retry, parked behind another of its
-- key, or handling, which is under way; and of the first when it is due in ms, as text, or
-- false if somebody has removed that.
local function condition(name, fields, state)
  if call('ZSCORE', leased, name) then
    return 'handling', false
  end
  local hash = call('ZCARD', parked) > 0 and hash_of(fields) or ''
  if hash ~= '' and call('ZSCORE', parked, member(hash, state.entry, name)) and first(hash) ~= name then
    return 'parked', false
  end
  return 'retry', call('ZSCORE', due, name)
end

-- since returns since when an entry waits, in ms: since its last failure or replay; or, where
-- that is not known, since it was appended.
local function since(state)
  return state.since or state.first_failed_at or finite(string.match(state.entry, '^(%d+)-%d+$')) or 0
end

-- bare empties the fields that may be large or secret, and returns the length of the
-- payload.
local function bare(fields)
  local bytes = 0
  for i = 1, #fields, 2 do
    if fields[i] == 'payload' then
      bytes = #fields[i + 1]
    end
    if fields[i] == 'payload' or fields[i] == 'headers' then
      fields[i + 1] = ''
    end
  end
  return bytes
end

-- row describes an entry that waits: {name, condition, due, 1 if that is over, since,
-- bytes of the payload, state, fields}.
local function row(name, fields, state, at)
  local what, score = condition(name, fields, state)
  local over = score and tonumber(score) <= at / 1000 and 1 or 0
  local bytes = bare(fields)
  return {name, what, score or '', over, string.format('%.0f', since(state)), bytes, cjson.encode(state), fields}
end

-- wanted tells whether an entry is what an operator looks for: by what, id, key or biz_id, an
-- id being that of the message or of the entry.
local function wanted(what, value, fields, entry)
  for i = 1, #fields, 2 do
    if fields[i] == what and fields[i + 1] == value then
      return true
    end
  end
  return what == 'id' and entry == value
end

