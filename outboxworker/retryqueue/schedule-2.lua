-- schedule-2: sets timers, but not of ids that are leased.
--
-- KEYS[1]  timers: a sorted set of ids by when they are due, in ms
-- KEYS[2]  leases: a sorted set of ids by when the lease ends, in µs
-- ARGV[1]  the channel on which claimers hear that something is due sooner than they know
-- ARGV[2]  'LT' when a timer that is there may be moved to sooner alone, or ''
-- ARGV[3..] for each timer: the id, and in how many ms it is due; 500 at most
--
-- Returns how many of the ids had neither a timer nor a lease.

local call = redis.call

local first = call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local ids = {}
for i = 3, #ARGV, 2 do
  ids[#ids + 1] = ARGV[i]
end
local leased = call('ZMSCORE', KEYS[2], unpack(ids))

local time = call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local add = {'ZADD', KEYS[1]}
if ARGV[2] ~= '' then
  add[3] = ARGV[2]
end
local head, soonest = #add, math.huge
for i = 1, #ids do
  if not leased[i] then
    local wait = tonumber(ARGV[2 * i + 2])
    local due = math.floor(now + wait)
    if wait > 0 then
      due = math.ceil(now + wait) -- never early
    end
    soonest = math.min(soonest, due)
    add[#add + 1] = due
    add[#add + 1] = ids[i]
  end
end
if #add == head then
  return 0
end
local added = call(unpack(add))
if #first == 0 or soonest < tonumber(first[2]) then
  -- Without the right to publish the claimers poll.
  redis.pcall('PUBLISH', ARGV[1], '')
end
return added
