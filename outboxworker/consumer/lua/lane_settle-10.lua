-- lane_settle-10: says what became of entries that were taken.
--
-- ARGV[2]  the group
-- ARGV[3..] for each: what became of it; its name among those that wait, or '' when it is
--          pending in the stream; its id; the SHA-1 of its key, or ''; in how many ms it is
--          due; the attempts that count, the class of the error, its text, its
--          fingerprint; how many its fields are, names and values, and those, where it is
--          pending and not done
--
--	done  it is not needed any more, nor its dead letter
--	wait  it is due later, and those of its key come after it
--	park  it comes after others of its key that wait
--	dead  it goes to the dead letters
--
-- What neither is pending nor waits somebody else has disposed of. It is left alone.
--
-- Returns {1, n}: how many there were of the others.

if not owned() then
  return {0}
end
local group, at = ARGV[2], now()

-- keep lets an entry wait.
local function keep(what, name, id, hash, state, fields, wait)
  if name == '' then
    name = id
    while call('HEXISTS', entries, name) == 1 do
      name = name .. "'" -- of a stream that was there before this one
    end
    call('HSET', entries, name, cmsgpack.pack(fields))
  end
  if what == 'wait' or name ~= id then
    call('HSET', states, name, cjson.encode(state))
  end
  if what == 'wait' then
    call('ZADD', due, math.ceil(at / 1000 + wait), name)
  end
  if hash ~= '' then
    call('ZADD', parked, 0, member(hash, id, name))
  end
end

-- drop ends what waited.
local function drop(name, id, hash, state)
  if state.dead then
    call('XDEL', dead, state.dead)
    call('HDEL', replaying, state.dead)
  end
  call('ZREM', due, name)
  call('HDEL', entries, name)
  call('HDEL', states, name)
  if hash ~= '' then
    call('ZREM', parked, member(hash, id, name))
  end
end

local function settle(what, name, id, hash, wait, attempts, class, text, fingerprint, fields)
  local blob
  if name == '' then
    -- What needs memory is not refused after a write.
    if redis.pcall('XACK', stream, group, id) ~= 1 then
      return 0
    end
  else
    blob = call('HGET', entries, name)
    call('ZREM', leased, name)
    if not blob then
      return 0
    end
  end
  local state = readable(name ~= '' and call('HGET', states, name), id)
  if what == 'wait' or what == 'dead' then
    state.first_failed_at = state.first_failed_at or math.floor(at / 1000)
    state.attempts, state.class, state.error, state.fingerprint = tonumber(attempts), class, text, fingerprint
    state.takeovers = nil
  end
  if what == 'wait' or what == 'park' then
    keep(what, name, id, hash, state, fields, wait)
    return 1
  end
  if what == 'dead' then
    bury(dead, state, blob and unpacked(blob) or fields)
  end
  if name ~= '' then
    drop(name, id, hash, state)
  end
  return 1
end

local i, settled = 3, 0
while i <= #ARGV do
  local count, fields = tonumber(ARGV[i + 9]), {}
  for n = 1, count do
    fields[n] = ARGV[i + 9 + n]
  end
  local what, name, id, hash, wait, attempts, class, text, fingerprint = unpack(ARGV, i, i + 8)
  settled = settled + settle(what, name, id, hash, wait, attempts, class, text, fingerprint, fields)
  if hash ~= '' then
    follow(hash, at)
  end
  i = i + 10 + count
end
return {1, settled}
