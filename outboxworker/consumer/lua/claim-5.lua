-- claim-5: gives back leases that have run out, and leases what is due.
--
-- KEYS[1]  due: a sorted set of what waits by when it is due, in ms
-- KEYS[2]  leased: a sorted set of what is handled again by when its lease ends, in µs
-- KEYS[3]  entries: a hash of the fields of both
-- KEYS[4]  state: a hash of what is known about both
-- KEYS[5]  aside: a sorted set of foreign members of due by when they were found, in ms
-- ARGV[1]  the most to lease, up to 500
-- ARGV[2]  how long the leases are, in µs
-- ARGV[3]  how long leases may be at most, in µs
-- ARGV[4]  the longest sleep, in µs
-- ARGV[5]  about how many bytes of entries to return at most
-- ARGV[6]  from how many consumers on that vanished with it an entry is a suspect
-- ARGV[7]  1 if a suspect may be leased, and not more than that one; 0 if none: those that
--          are due are looked at again a little later
-- ARGV[8]  the consumer's mark, up to 9999
--
-- Returns {sleep, expired, foreign, ends, {id, late, state, fields}, ...}: in how many
-- µs there is something to claim again, how many leases had run out, how many members
-- were set aside, when the new leases end in µs, and of each how late it is in ms.

local due, leased, entries, states, aside = unpack(KEYS)
call('ZCARD', due) -- these fail before the first write if a key is of the wrong type
call('ZCARD', aside)
call('HLEN', entries)
call('HLEN', states)
local at = now()

-- The consumer of a lease that ran out has vanished with it, which is counted.
local function give_back(from, to)
  local found = call('ZRANGEBYSCORE', leased, from, to, 'WITHSCORES', 'LIMIT', 0, 500)
  for i = 1, #found, 2 do
    local id = found[i]
    call('ZREM', leased, id)
    local text = call('HGET', states, id)
    if text then
      local state = readable(text, id)
      state.takeovers = (state.takeovers or 0) + 1
      call('HSET', states, id, cjson.encode(state))
    end
    call('ZADD', due, math.floor(math.min(tonumber(found[i + 1]), at) / 1000), id)
  end
  return #found / 2
end

-- An end that is further away than any lease is long is not ours, or the clock was set
-- back: nobody would come back for it.
local expired = give_back('-inf', at) + give_back(at + ARGV[3] + 1, '+inf')

local ends = lease_end(at + ARGV[2], ARGV[8])
local alone, bytes = ARGV[7] == '1', 0
-- What others have postponed, as they may not lease it, is leased before they look at it again.
local ahead = alone and postponed or 0
local found = call('ZRANGEBYSCORE', due, '-inf', at / 1000 + ahead, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
local answer = {0, expired, 0, ends}
for i = 1, #found, 2 do
  local id, late = found[i], at / 1000 - tonumber(found[i + 1])
  local state = readable(call('HGET', states, id), id)
  local suspect = (state.takeovers or 0) >= tonumber(ARGV[6])
  if late >= 0 or alone and tonumber(found[i + 1]) % 1 == 0.5 then
    local blob = call('HGET', entries, id)
    if blob and suspect and not alone then
      postpone(due, id, at)
    elseif blob then
      bytes = bytes + #blob
      if bytes > tonumber(ARGV[5]) and #answer > 4 then
        break
      end
      alone = alone and not suspect
      call('ZREM', due, id)
      call('ZADD', leased, ends, id)
      late = math.min(math.floor(late), 9007199254740991)
      answer[#answer + 1] = {id, late, cjson.encode(state), unpacked(blob)}
    else
      call('ZREM', due, id)
      call('HDEL', states, id)
      call('ZADD', aside, math.floor(at / 1000), id)
      answer[3] = answer[3] + 1
    end
  end
end

local sleep = tonumber(ARGV[4])
local next_due = call('ZRANGE', due, 0, 0, 'WITHSCORES')
if #next_due > 0 then
  sleep = math.min(sleep, tonumber(next_due[2]) * 1000 - at)
end
local next_end = call('ZRANGE', leased, 0, 0, 'WITHSCORES')
if #next_end > 0 then
  sleep = math.min(sleep, tonumber(next_end[2]) - at)
end
answer[1] = math.ceil(math.max(sleep, 0))
return answer
