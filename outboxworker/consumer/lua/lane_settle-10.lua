-- lane_settle-10: says what became of entries that were taken.
--
-- ARGV[2]  the group
-- ARGV[3]  the number of this call: one more than that of the owner's last. Where that is
--          another, it stays, so that the next call of lane_take finds out
-- ARGV[4..] for each: what became of it; its name among those that wait, or '' when it is
--          pending in the stream; its id; the SHA-1 of its key, or ''; in how many ms it is
--          due; the attempts that count, the class of the error, its text, its
--          fingerprint; with how many owners that vanished it was, of those that count; how
--          many its fields are, names and values, and those, where it is pending and not done
--
--	done  it is not needed any more, nor its dead letter
--	wait  it is due later, and those of its key come after it
--	park  it comes after others of its key that wait
--	dead  it goes to the dead letters
--
-- What neither is pending nor waits somebody else has disposed of. It is left alone.
--
-- Returns {1, n, sleep}: how many there were of the others, and in how many ms the next of
-- those that wait is due, or -1.

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
  if what == 'wait' or name ~= id or (state.takeovers or 0) > 0 then
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

-- tried calls a command that may fail as the stream or its group is gone, or is none. Then
-- it returns nil.
local function tried(...)
  local answer = redis.pcall(...)
  local text = type(answer) == 'table' and answer.err
  if not text then
    return answer
  end
  if not string.find(text, 'NOGROUP', 1, true) and not string.find(text, 'WRONGTYPE', 1, true) then
    call(...) -- fails as before
  end
end

local function settle(what, name, id, hash, wait, attempts, class, text, fingerprint, takeovers, fields)
  local blob
  if name == '' then
    if what == 'done' then
      return tried('XACK', stream, group, id) or 0
    end
    if #(tried('XPENDING', stream, group, id, id, 1) or {}) == 0 then
      return 0
    end
    call('ZREM', leased, id) -- what needs memory is not refused after a write
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
    state.since = math.floor(at / 1000)
  end
  if what ~= 'park' or name == '' then
    state.takeovers = tonumber(takeovers)
  end
  if what == 'wait' or what == 'park' then
    keep(what, name, id, hash, state, fields, wait)
  elseif what == 'dead' then
    bury(dead, state, blob and unpacked(blob) or fields)
  end
  if name == '' then
    call('XACK', stream, group, id) -- last: where a right is missing it stays pending
  elseif what == 'done' or what == 'dead' then
    drop(name, id, hash, state)
  end
  return 1
end

local i, settled = 4, 0
while i <= #ARGV do
  local count, fields = tonumber(ARGV[i + 10]), {}
  for n = 1, count do
    fields[n] = ARGV[i + 10 + n]
  end
  local what, name, id, hash, wait, attempts, class, text, fingerprint, takeovers = unpack(ARGV, i, i + 9)
  settled = settled + settle(what, name, id, hash, wait, attempts, class, text, fingerprint, takeovers, fields)
  if hash ~= '' then
    follow(hash, at)
  end
  i = i + 11 + count
end
if tonumber(call('HGET', owner, 'turn') or 0) == ARGV[3] - 1 then
  call('HSET', owner, 'turn', ARGV[3])
end
return {1, settled, next_due(at)}
