-- look-6: tells how a stream and its group are doing.
--
-- KEYS[1]  the stream
-- KEYS[2]  due: a sorted set of what waits by when it is due, in ms
-- KEYS[3]  entries: a hash of the fields of all that waits, is handled again or is parked
-- KEYS[4]  the stream of dead letters
-- KEYS[5]  leased: a sorted set of what is handled again
-- KEYS[6]  replaying: a hash of the dead letters under replay
-- ARGV[1]  the group
-- ARGV[2]  1 when a stream that is missing is as good as an empty one
--
-- Returns {length, pending, lag, waiting, overdue, dead, retry, handling, replaying, next}: lag
-- is how many entries the group has not read, or -1 when Redis does not know; overdue is in
-- ms; retry is how many have a time, which next is the first of, in ms, or ''; handling is
-- how many are handled again.

local call = redis.call
local function named(flat)
  local info = {}
  for i = 1, #flat, 2 do
    info[flat[i]] = flat[i + 1]
  end
  return info
end

local stream, groups = {}, {}
if ARGV[2] ~= '1' or call('EXISTS', KEYS[1]) == 1 then
  stream, groups = named(call('XINFO', 'STREAM', KEYS[1])), call('XINFO', 'GROUPS', KEYS[1])
end
local pending, lag = 0, -1
for _, flat in ipairs(groups) do
  local group = named(flat)
  if group.name == ARGV[1] then
    pending = group.pending
    -- After a restart from an append-only file, Redis 7.0 counts wrong, but knows where
    -- the group is.
    if group['last-delivered-id'] == stream['last-generated-id'] then
      lag = 0
    elseif type(group.lag) == 'number' then
      lag = group.lag
    end
  end
end
local overdue = 0
local first = call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if #first > 0 then
  local time = call('TIME')
  overdue = math.max(0, math.min(time[1] * 1000 + time[2] / 1000 - tonumber(first[2]), 1e12))
end
return {
  call('XLEN', KEYS[1]), pending, lag, call('HLEN', KEYS[3]), math.floor(overdue), call('XLEN', KEYS[4]),
  call('ZCARD', KEYS[2]), call('ZCARD', KEYS[5]), call('HLEN', KEYS[6]), first[2] or '',
}
