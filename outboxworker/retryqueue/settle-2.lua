-- settle-2: ends leases, of timers that are done with and of those that are due again.
--
-- KEYS[1]  timers: a sorted set of ids by when they are due, in ms
-- KEYS[2]  leases: a sorted set of ids by when the lease ends, in µs
-- ARGV[1]  the channel on which claimers hear that something is due sooner than they know
-- ARGV[2..] for each lease: the id, when it ends in µs, by which its owner is known, and
--          in how many ms the timer is due again, or '' when it is done with; 500 at most
--
-- Returns how many of the leases were still their owners'. The others are left alone.

local call = redis.call

local first = call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local ids = {}
for i = 2, #ARGV, 3 do
  ids[#ids + 1] = ARGV[i]
end
local ends = call('ZMSCORE', KEYS[2], unpack(ids))

local time = call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local gone, back, soonest = {}, {}, math.huge
for i = 1, #ids do
  if ends[i] and tonumber(ends[i]) == tonumber(ARGV[3 * i]) then
    gone[#gone + 1] = ids[i]
    local wait = ARGV[3 * i + 1]
    if wait ~= '' then
      local due = math.floor(now + wait)
      if tonumber(wait) > 0 then
        due = math.ceil(now + wait) -- never early
      end
      soonest = math.min(soonest, due)
      back[#back + 1] = due
      back[#back + 1] = ids[i]
    end
  end
end
if #gone > 0 then
  call('ZREM', KEYS[2], unpack(gone))
end
if #back > 0 then
  call('ZADD', KEYS[1], unpack(back))
  if #first == 0 or soonest < tonumber(first[2]) then
    redis.pcall('PUBLISH', ARGV[1], '')
  end
end
return #gone
