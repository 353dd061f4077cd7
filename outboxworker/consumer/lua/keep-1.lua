-- keep-1: gives a sign of life of entries that are pending, or gives them up.
--
-- KEYS[1]  the stream
-- ARGV[1]  the group
-- ARGV[2]  the consumer
-- ARGV[3]  for how many ms they are said to have been idle: 0, or for others to take them
-- ARGV[4..] for each entry: its id, and how often it is said to have been delivered, or ''
--          for no change; 500 at most
--
-- Returns of each whether it was still pending at this consumer. Others are left alone.

local call = redis.call
local answer = {}
for i = 4, #ARGV, 2 do
  local held = #call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2]) > 0
  if held then
    local claim = {'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[3], 'JUSTID'}
    if ARGV[i + 1] ~= '' then
      claim = {'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[3], 'RETRYCOUNT', ARGV[i + 1], 'JUSTID'}
    end
    call(unpack(claim))
  end
  answer[#answer + 1] = held and 1 or 0
end
return answer
