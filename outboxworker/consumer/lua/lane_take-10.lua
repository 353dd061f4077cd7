-- lane_take-10: takes what is next in a lane: retries that are due, and entries that are
-- new, or that owners before had and did not end. Entries whose key waits are parked.
--
-- ARGV[2]  the length of the owner's lease in ms, which lasts from now
-- ARGV[3]  the number of this call: one more than that of the owner's last
-- ARGV[4]  the group
-- ARGV[5]  the most retries, and the most entries; 1 to 500
-- ARGV[6]  '' for new entries; or from which id on those that were not ended are taken over
-- ARGV[7]  what the times are raised by that those were delivered
-- ARGV[8]  after how many bytes of retries and entries to end
-- ARGV[9]  from how many owners on that vanished with it one is a suspect
-- ARGV[10] 1 if a suspect may be taken, and not more than that one; 0 if none: retries are
--          looked at again a little later, and the taking over ends there
--
-- Returns {2}, and takes nothing, if the number is another: this call was made before, or
-- Redis has forgotten some, as after a failover. Otherwise {1, sleep, last, next, lost,
-- parked, made, foreign, left, retries, entries}:
-- sleep    in how many ms the next of those that wait is due, or -1
-- last     the id of the stream's last entry when all have been read, or ''
-- next     from which id on to go on taking over, or ''
-- lost     how many of those are not in the stream any more
-- parked   how many entries were parked
-- made     1 when the group was gone and was made anew
-- foreign  how many members of due were set aside
-- left     1 when the taking over has ended at a suspect
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

local retries, foreign, bytes, enough = {}, 0, 0, tonumber(ARGV[8])
local function full()
  return #retries >= most or bytes >= enough
end

-- may tells whether one may be taken with which that many owners have vanished.
local alone = ARGV[10] == '1'
local function may(vanished)
  local suspect = vanished >= tonumber(ARGV[9])
  local yes = alone or not suspect
  alone = alone and not suspect
  return yes
end

-- take takes one that waits, unless it is a suspect and may not be taken.
local function take(name, blob, late)
  local state = readable(call('HGET', states, name), name)
  if not may(state.takeovers or 0) then
    return false
  end
  local fields = unpacked(blob)
  bytes = bytes + #blob
  call('ZREM', due, name)
  call('ZADD', leased, at, name)
  retries[#retries + 1] = {name, state.entry, cjson.encode(state), fields, late}
  return true
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
  for i, n in ipairs(names) do
    if full() or call('ZSCORE', leased, n) or tonumber(call('ZSCORE', due, n) or 0) > at / 1000 then
      return
    end
    if not take(n, call('HGET', entries, n), late) then
      if i == 1 then
        postpone(due, n, at)
      end
      return
    end
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
      if not take(name, blob, late) then
        postpone(due, name, at)
      end
    else
      -- What an operator has replayed is not there yet.
      call('ZADD', parked, 0, member(hash, readable(call('HGET', states, name), name).entry, name))
      take_key(hash, name, late)
    end
  end
end

local anything = call('ZCARD', parked) > 0
local found, parks = {}, 0
local largest = 1 -- of the entries, in bytes
local function entry(id, times, fields)
  local size = 0
  for _, text in ipairs(fields) do
    size = size + #text
  end
  bytes, largest = bytes + size, math.max(largest, size)
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
  if name ~= id or times > 1 then
    call('HSET', states, name, cjson.encode({entry = id, attempts = 0, takeovers = times - 1}))
  end
  call('ZADD', parked, 0, member(hash, id, name))
  call('XACK', stream, group, id)
  parks = parks + 1
end

local made, lost, next_from, last, left = 0, 0, from, '', 0

-- answered tells of an answer whether the group is there, and makes it where it is not.
local function answered(answer)
  if not answer or not answer.err then
    return true
  end
  if not string.find(answer.err, 'NOGROUP', 1, true) then
    error(answer)
  end
  call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
  made, next_from = 1, ''
  return false
end

-- read reads new entries. Nobody knows before how large the next are: they are read by a few,
-- as many as would fit if none were larger than those so far.
local function read()
  local few, left = 1, most
  while left > 0 and bytes < enough do
    local count = math.min(few, left)
    local answer = redis.pcall('XREADGROUP', 'GROUP', group, 'owner', 'COUNT', count, 'STREAMS', stream, '>')
    if not answered(answer) then
      return
    end
    local some = answer and answer[1][2] or {}
    for _, e in ipairs(some) do
      entry(e[1], 1, e[2])
    end
    if #some < count then
      local top = call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
      last = top and top[1] or '0-0'
      return
    end
    left = left - count
    few = math.max(1, math.min(8, 2 * few, math.floor((enough - bytes) / largest)))
  end
end

-- take_over takes over what owners before had.
local function take_over()
  local answer = redis.pcall('XPENDING', stream, group, from, '+', most)
  if not answered(answer) then
    return
  end
  for _, p in ipairs(answer) do
    if bytes >= enough then
      return
    end
    local times = p[4] + ARGV[7]
    if not may(times - 1) then
      left = 1
      return
    end
    local e = call('XCLAIM', stream, group, 'owner', 0, p[1], 'RETRYCOUNT', times)[1]
    if e and e[2] then
      entry(e[1], times, e[2])
    else
      call('XACK', stream, group, p[1])
      lost = lost + 1
    end
    next_from = '(' .. p[1]
  end
  if #answer < most then
    next_from = ''
  end
end

if from == '' then
  read()
else
  take_over()
end
return {1, next_due(at), last, next_from, lost, parks, made, foreign, left, retries, found}
