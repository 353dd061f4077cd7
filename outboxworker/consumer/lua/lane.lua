-- lane: what the scripts of a lane have in common, after bury.
--
-- KEYS[1]  owner: a hash of the token of who owns the lane, and of turn, the number of its
--          last call of lane_take or lane_settle. It expires with the owner's lease; the
--          token is empty when the owner has given up the lane
-- KEYS[2]  the stream
-- KEYS[3]  due: a sorted set of what waits by when it is due, in ms; of those of a key the
--          first alone is in it
-- KEYS[4]  leased: a sorted set of what the owner has taken of those that wait by when, in µs
-- KEYS[5]  entries: a hash of the fields of all that wait
-- KEYS[6]  state: a hash of what is known about them
-- KEYS[7]  parked: a sorted set of all that wait and have a key, with score 0: the SHA-1
--          of the key, a colon, the id of the entry, a colon, and its name in the others,
--          so that those of a key are together, in their order
-- KEYS[8]  aside: a sorted set of foreign members of due by when they were found, in ms
-- KEYS[9]  the stream of dead letters
-- KEYS[10] replaying: a hash of the dead letters under replay
-- ARGV[1]  the owner's token; without it a script returns {0} and changes nothing

local owner, stream, due, leased, entries, states, parked, aside, dead, replaying = unpack(KEYS)

local function owned()
  -- These fail before the first write if a key is of the wrong type.
  for _, key in ipairs({due, leased, parked, aside}) do
    call('ZCARD', key)
  end
  call('HLEN', entries)
  call('HLEN', states)
  call('HLEN', replaying)
  call('XLEN', dead)
  return call('HGET', owner, 'owner') == ARGV[1]
end

-- hash_of returns the SHA-1 of the key in an entry's fields, or '' if there is none. Of a
-- field that occurs twice the last counts.
local function hash_of(fields)
  for i = #fields - 1, 1, -2 do
    if fields[i] == 'key' then
      return redis.sha1hex(fields[i + 1])
    end
  end
  return ''
end

-- member is the place of what waits among those of its key.
local function member(hash, id, name)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  if not ms or #ms > 20 or #seq > 20 then
    ms, seq = '0', '0'
  end
  return hash .. ':' .. string.rep('0', 20 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq .. ':' .. name
end

-- queue returns the names of the first that wait of a key, count at most.
local function queue(hash, count)
  local names = {}
  while true do
    local stale = false
    for i, found in ipairs(call('ZRANGEBYLEX', parked, '[' .. hash .. ':', '(' .. hash .. ';', 'LIMIT', 0, count)) do
      names[i] = string.sub(found, 84)
      if call('HEXISTS', entries, names[i]) == 0 then
        call('ZREM', parked, found) -- an operator has discarded it
        stale = true
      end
    end
    if not stale then
      return names
    end
    names = {}
  end
end

-- next_due returns in how many ms the next of those that wait is due, or -1.
local function next_due(at)
  local soonest = call('ZRANGE', due, 0, 0, 'WITHSCORES')
  if #soonest == 0 then
    return -1
  end
  return math.ceil(math.max(math.min(tonumber(soonest[2]) - at / 1000, 1e12), 0))
end

-- follow makes the first that waits of a key due, unless it is due or taken: so that
-- nothing is parked behind nothing. It returns whether there is one.
local function follow(hash, at)
  local first = queue(hash, 1)[1]
  if first and not call('ZSCORE', leased, first) then
    call('ZADD', due, 'NX', math.floor(at / 1000), first)
  end
  return first ~= nil
end

