-- lane_acquire-10: makes a consumer the owner of a lane that has none, or whose owner's
-- lease has run out. What the owner before had taken of those that wait is due again.
--
-- ARGV[2]  the length of the lease in ms
-- ARGV[3]  the group. If it is gone it is made anew, from the beginning
-- ARGV[4]  how long a lease may be at most, in ms
--
-- Returns {1, clean}: clean is 1 if the owner before has given up the lane, with nothing
-- under way.

local lane_free = not owned()
local before = call('HGET', owner, 'owner')
if before and before ~= '' and lane_free then
  -- A lease without an end, which somebody took away, or with one that is further away than
  -- any, as the clock was set back, ends now unless its owner extends it.
  local left = call('PTTL', owner)
  if left < 0 or left > tonumber(ARGV[4]) then
    call('PEXPIRE', owner, ARGV[2])
  end
  return {0}
end
call('DEL', owner) -- what needs memory is not refused after a write
local made = redis.pcall('XGROUP', 'CREATE', stream, ARGV[3], '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
  return redis.error_reply(made.err)
end
call('HSET', owner, 'owner', ARGV[1], 'turn', 0)
call('PEXPIRE', owner, ARGV[2])

local clean, at = before == '', now()
local taken = call('ZRANGE', leased, 0, 499)
while #taken > 0 do
  for _, name in ipairs(taken) do
    if not clean and call('HEXISTS', entries, name) == 1 then
      local state = readable(call('HGET', states, name), name)
      state.takeovers = (state.takeovers or 0) + 1
      call('HSET', states, name, cjson.encode(state))
    end
    call('ZREM', leased, name)
    call('ZADD', due, math.floor(at / 1000), name)
  end
  taken = call('ZRANGE', leased, 0, 499)
end
return {1, clean and 1 or 0}
