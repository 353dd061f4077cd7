-- trim-1: trims a stream of what no group needs any more: all before the first entry that
-- is pending in a group, or has not been read by one.
--
-- KEYS[1]  the stream
-- ARGV[1]  for how many ms entries are kept in any case
-- ARGV[2]  about how many entries to trim at most
--
-- Returns how many were trimmed. Without a group, and while one has read nothing, that is
-- none. Redis trims whole nodes: a hundred entries, by default, may stay.

local call = redis.call

-- An id is compared by its two numbers, which may be too large for Lua's.
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return ms, seq
end
local function less(a, b)
  local function number(x, y)
    if #x ~= #y then
      return #x < #y and -1 or 1
    end
    return x < y and -1 or x > y and 1 or 0
  end
  local a_ms, a_seq = parts(a)
  local b_ms, b_seq = parts(b)
  local order = number(a_ms, b_ms)
  if order == 0 then
    order = number(a_seq, b_seq)
  end
  return order < 0
end
-- after is the id that follows one, or that id itself if its number is too large.
local function after(id)
  local ms, seq = parts(id)
  if #seq > 15 then
    return id
  end
  return ms .. '-' .. string.format('%.0f', seq + 1)
end

local groups = call('XINFO', 'GROUPS', KEYS[1])
local bound
for _, flat in ipairs(groups) do
  local group = {}
  for i = 1, #flat, 2 do
    group[flat[i]] = flat[i + 1]
  end
  local last = group['last-delivered-id']
  if last == '0-0' then
    return 0
  end
  local need = after(last)
  if group.pending > 0 then
    local first = call('XPENDING', KEYS[1], group.name)[2]
    if first and less(first, need) then
      need = first
    end
  end
  if not bound or less(need, bound) then
    bound = need
  end
end
if not bound then
  return 0
end
local time = call('TIME')
local youngest = string.format('%.0f-0', math.max(0, time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[1]))
if less(youngest, bound) then
  bound = youngest
end
return call('XTRIM', KEYS[1], 'MINID', '~', bound, 'LIMIT', ARGV[2])
