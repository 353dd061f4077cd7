-- list-2: returns dead letters from one id to another.
--
-- KEYS[1]  the stream of dead letters
-- KEYS[2]  replaying: a hash of the dead letters under replay
-- ARGV[1]  the first id, as XRANGE has it
-- ARGV[2]  the last id
-- ARGV[3]  the most of them, up to 500
-- ARGV[4]  1 with payloads, 0 without
-- ARGV[5]  after how many bytes of them to end
--
-- Returns {more, {id, replaying, bytes, fields}, ...}: 1 if there may be more up to the last
-- id, and of each whether a replay is under way, and the length of the payload, which is
-- empty among the fields if it is not wanted.

local call = redis.call
local first, most, enough = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[5])
local answer, total = {1}, 0
while #answer <= most and total < enough do
  local few = math.min(8, most + 1 - #answer) -- as any may be large
  local found = call('XRANGE', KEYS[1], first, ARGV[2], 'COUNT', few)
  for _, entry in ipairs(found) do
    local fields, bytes = entry[2], 0
    for i = 1, #fields, 2 do
      total = total + #fields[i] + #fields[i + 1]
      if fields[i] == 'payload' then
        bytes = #fields[i + 1]
        if ARGV[4] ~= '1' then
          fields[i + 1] = ''
        end
      end
    end
    answer[#answer + 1] = {entry[1], call('HEXISTS', KEYS[2], entry[1]), bytes, fields}
  end
  if #found < few then
    answer[1] = 0
    break
  end
  first = '(' .. found[#found][1]
end
return answer
