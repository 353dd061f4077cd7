-- lane_take-10: takes what is next in a lane: retries that are due, and entries that are
-- new, or that owners before had and did not end. Entries whose key waits are parked.
--
-- ARGV[2]  the length of the owner's lease in ms, which lasts from now
-- ARGV[3]  the number of this call: one more than that of the owner's last
-- ARGV[4]  the group
-- ARGV[5]  the most retries, and the most entries; 1 to 500
-- ARGV[6]  '' for new entries; or from which id on those that were not ended are taken over
-- ARGV[7]  what the times are raised by that those were delivered
-- ARGV[8]  about how many bytes of retries to take at most
--
-- Returns {2}, and takes nothing, if the number is another: this call was made before, or
-- Redis has forgotten some, as after a failover. Otherwise {1, sleep, last, next, lost,
-- parked, made, foreign, retries, entries}:
-- sleep    in how many ms the next of those that wait is due, or -1
-- last     the id of the stream's last entry when all have been read, or ''
-- next     from which id on to go on taking over, or ''
-- lost     how many of those are not in the stream any more
-- parked   how many entries were parked
-- made     1 when the group was gone and was made anew
-- foreign  how many members of due were set aside
-- retries  {name, id, state, fields, for how many ms it was due} of each
-- entries  {id, times delivered, fields} of each

if not owned() then
  return {0}
end
if tonumber(call('HGET', owner, 'turn') or 0) ~= ARGV[3] - 1 then
  return {2}
end
local group, most, from = ARGV[4], tonumber(ARGV[5]), ARGV[6]
local at = now()
call('PEXPIRE', owner, ARGV[2]) -- what needs memory is not refused after a write
call('HSET', owner, 'turn', ARGV[3])

local retries, foreign, bytes = {}, 0, 0
local function full()
  return #retries >= most or bytes >= tonumber(ARGV[8])
end

local function take(name, blob, late)
  local fields = unpacked(blob)
  bytes = bytes + #blob
  call('ZREM', due, name)
  call('ZADD', leased, at, name)
  local state = readable(call('HGET', states, name), name)
  retries[#retries + 1] = {name, state.entry, cjson.encode(state), fields, late}
end

-- With the first of a key some of those behind it are taken, up to one that has failed
-- and is not due.
local function take_key(hash, name, late)
  local names = queue(hash, math.min(most - #retries, 32))
  if names[1] ~= name then
    call('ZREM', due, name)
    follow(hash, at)
    return
  end
  for _, n in ipairs(names) do
    if full() or call('ZSCORE', leased, n) or tonumber(call('ZSCORE', due, n) or 0) > at / 1000 then
      return
    end
    take(n, call('HGET', entries, n), late)
    late = 0
  end
end

local ready = call('ZRANGEBYSCORE', due, '-inf', at / 1000, 'WITHSCORES', 'LIMIT', 0, most)
for i = 1, #ready, 2 do
  local name = ready[i]
  local late = math.min(math.floor(at / 1000 - tonumber(ready[i + 1])), 9007199254740991)
  if full() then
    break
  end
  local blob = call('HGET', entries, name)
  if call('ZSCORE', leased, name) then
    call('ZREM', due, name)
  elseif not blob then
    call('ZREM', due, name)
    call('HDEL', states, name)
    call('ZADD', aside, math.floor(at / 1000), name)
    foreign = foreign + 1
  else
    local hash = hash_of(unpacked(blob))
    if hash == '' then
      take(name, blob, late)
    else
      -- What an operator has replayed is not there yet.
      call('ZADD', parked, 0, member(hash, readable(call('HGET', states, name), name).entry, name))
      take_key(hash, name, late)
    end
  end
end

local anything = call('ZCARD', parked) > 0
local found, parks = {}, 0
local function entry(id, times, fields)
  local hash = anything and hash_of(fields) or ''
  if hash == '' or not follow(hash, at) then
    found[#found + 1] = {id, times, fields}
    return
  end
  local name = id
  while call('HEXISTS', entries, name) == 1 do
    name = name .. "'" -- of a stream that was there before this one
  end
  call('HSET', entries, name, cmsgpack.pack(fields))
  if name ~= id then
    call('HSET', states, name, cjson.encode({entry = id, attempts = 0}))
  end
  call('ZADD', parked, 0, member(hash, id, name))
  call('XACK', stream, group, id)
  parks = parks + 1
end

local made, lost, next_from, last = 0, 0, '', ''
local answer
if from == '' then
  answer = redis.pcall('XREADGROUP', 'GROUP', group, 'owner', 'COUNT', most, 'STREAMS', stream, '>')
else
  answer = redis.pcall('XPENDING', stream, group, from, '+', most)
end
if answer and answer.err then
  if not string.find(answer.err, 'NOGROUP', 1, true) then
    return redis.error_reply(answer.err)
  end
  call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
  made = 1
elseif from == '' then
  local read = answer and answer[1][2] or {}
  for _, e in ipairs(read) do
    entry(e[1], 1, e[2])
  end
  if #read < most then
    local top = call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    last = top and top[1] or '0-0'
  end
else
  for _, p in ipairs(answer) do
    local times = p[4] + ARGV[7]
    local e = call('XCLAIM', stream, group, 'owner', 0, p[1], 'RETRYCOUNT', times)[1]
    if e and e[2] then
      entry(e[1], times, e[2])
    else
      call('XACK', stream, group, p[1])
      lost = lost + 1
    end
  end
  if #answer == most then
    next_from = '(' .. answer[most][1]
  end
end

return {1, next_due(at), last, next_from, lost, parks, made, foreign, retries, found}
