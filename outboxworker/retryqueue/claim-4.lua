-- claim-4: gives back leases that have run out, and leases timers that are due.
--
-- KEYS[1]  timers: a sorted set of ids by when they are due, in ms
-- KEYS[2]  leases: a sorted set of ids by when the lease ends, in µs
-- KEYS[3]  the epoch
-- KEYS[4]  foreign members of the timers: a sorted set by when they were found, in ms
-- ARGV[1]  the most timers to lease, up to 500
-- ARGV[2]  how long the leases are, in µs
-- ARGV[3]  how long leases may be at most, in µs
-- ARGV[4]  the longest sleep, in µs
--
-- Returns {0} when the queue is not whole, and changes nothing. Otherwise {1, sleep,
-- expired, foreign, end, id, late, id, late, ...}: in how many µs there is something to
-- claim again, how many leases were given back, how many members were set aside, when the
-- new leases end in µs, and of each its id and how late it is in ms.
--
-- Members are removed from one set before they are added to the other, which Redis then
-- allows also when it is out of memory. What timers or leases of the wrong type stop
-- half-way is repaired by the rebuild that follows.

local call = redis.call
local timers, leases, aside = KEYS[1], KEYS[2], KEYS[4]

local epoch = call('GET', KEYS[3])
if not epoch or string.sub(epoch, 1, 1) == '~' then
  return {0}
end
call('ZCARD', aside) -- fails before the first write if it is of the wrong type
local time = call('TIME')
local now = time[1] * 1000000 + time[2]

-- A lease that ended gives its timer back as due when it ended.
local function give_back(from, to)
  local found = call('ZRANGEBYSCORE', leases, from, to, 'WITHSCORES', 'LIMIT', 0, 500)
  if #found == 0 then
    return 0
  end
  local ids, back = {}, {}
  for i = 1, #found, 2 do
    ids[#ids + 1] = found[i]
    back[#back + 1] = math.floor(math.min(tonumber(found[i + 1]), now) / 1000)
    back[#back + 1] = found[i]
  end
  call('ZREM', leases, unpack(ids))
  call('ZADD', timers, unpack(back))
  return #ids
end

-- An end that is further away than any lease is long is not ours, or the clock was set
-- back: nobody would come back for it.
local expired = give_back('-inf', now) + give_back(now + ARGV[3] + 1, '+inf')

local function is_id(s)
  return #s <= 19 and string.find(s, '^[1-9]%d*$') and (#s < 19 or s <= '9223372036854775807')
end

local ends = now + ARGV[2]
local found = call('ZRANGEBYSCORE', timers, '-inf', now / 1000, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
local answer = {1, 0, expired, 0, ends}
local gone, leased, foreign = {}, {}, {}
for i = 1, #found, 2 do
  local id = found[i]
  gone[#gone + 1] = id
  if is_id(id) then
    leased[#leased + 1] = ends
    leased[#leased + 1] = id
    answer[#answer + 1] = id
    answer[#answer + 1] = math.min(math.floor(now / 1000 - tonumber(found[i + 1])), 9007199254740991)
  else
    foreign[#foreign + 1] = math.floor(now / 1000)
    foreign[#foreign + 1] = id
  end
end
if #gone > 0 then
  call('ZREM', timers, unpack(gone))
end
if #leased > 0 then
  call('ZADD', leases, unpack(leased))
end
if #foreign > 0 then
  call('ZADD', aside, unpack(foreign))
end

local sleep = tonumber(ARGV[4])
local next_timer = call('ZRANGE', timers, 0, 0, 'WITHSCORES')
if #next_timer > 0 then
  sleep = math.min(sleep, tonumber(next_timer[2]) * 1000 - now)
end
local next_end = call('ZRANGE', leases, 0, 0, 'WITHSCORES')
if #next_end > 0 then
  sleep = math.min(sleep, tonumber(next_end[2]) - now)
end
answer[2] = math.ceil(math.max(sleep, 0))
answer[4] = #foreign / 2
return answer
