-- waiting_list-10: returns what waits, in the order of when it is due; or what is parked, by
-- keys.
--
-- ARGV[1]  retry or parked
-- ARGV[2]  the score of the member to begin after, or '' to begin with the first
-- ARGV[3]  that member
-- ARGV[4]  the most members to look at, up to 500
-- ARGV[5]  about how many bytes of entries to look at, at most
--
-- Returns {at, more, score, member, {score, member, row}, ...}: the time in ms; 1 if there
-- is more to look at; the last member that was looked at; and those that are as ARGV[1]
-- says.

check()
local key = ARGV[1] == 'parked' and parked or due

-- greater compares as Redis orders members, by bytes, and not as Lua does.
local function greater(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then
      return x > y
    end
  end
  return #a > #b
end

-- The member may be gone: its place is found by halving.
local low, high = 0, ARGV[2] == '' and 0 or call('ZCARD', key)
while low < high do
  local middle = math.floor((low + high) / 2)
  local found = call('ZRANGE', key, middle, middle, 'WITHSCORES')
  local score = tonumber(found[2])
  if score > tonumber(ARGV[2]) or score == tonumber(ARGV[2]) and greater(found[1], ARGV[3]) then
    high = middle
  else
    low = middle + 1
  end
end

local at, most, bytes = now(), tonumber(ARGV[4]), 0
local found = call('ZRANGE', key, low, low + most - 1, 'WITHSCORES')
local answer = {math.floor(at / 1000), #found == 2 * most and 1 or 0, ARGV[2], ARGV[3]}
for i = 1, #found, 2 do
  local name = key == due and found[i] or string.sub(found[i], 84)
  local blob = call('HGET', entries, name)
  bytes = bytes + (blob and #blob or 0)
  if bytes > tonumber(ARGV[5]) and i > 1 then
    answer[2] = 1
    break
  end
  answer[3], answer[4] = found[i + 1], found[i]
  if blob then -- what is no entry's, the consumer sets aside
    local one = row(name, unpacked(blob), readable(call('HGET', states, name), name), at)
    if one[2] == ARGV[1] then
      answer[#answer + 1] = {found[i + 1], found[i], one}
    end
  end
end
return answer
