-- list-2: returns dead letters from one id to another.
--
-- KEYS[1]  the stream of dead letters
-- KEYS[2]  replaying: a hash of the dead letters under replay
-- ARGV[1]  the first id, as XRANGE has it
-- ARGV[2]  the last id
-- ARGV[3]  the most of them, up to 500
-- ARGV[4]  1 with payloads, 0 without
--
-- Returns of each {id, replaying, bytes, fields}: whether a replay is under way, and the
-- length of the payload, which is empty among the fields if it is not wanted.

local call = redis.call
local answer = {}
for _, entry in ipairs(call('XRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', ARGV[3])) do
  local fields, bytes = entry[2], 0
  for i = 1, #fields, 2 do
    if fields[i] == 'payload' then
      bytes = #fields[i + 1]
      if ARGV[4] ~= '1' then
        fields[i + 1] = ''
      end
    end
  end
  answer[#answer + 1] = {entry[1], call('HEXISTS', KEYS[2], entry[1]), bytes, fields}
end
return answer
