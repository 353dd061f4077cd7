-- keep-1: gives a sign of life of entries that are pending, or gives them up.
--
-- KEYS[1]  the stream
-- ARGV[1]  the group
-- ARGV[2]  the consumer
-- ARGV[3]  for how many ms they are said to have been idle: 0, or for others to take them
-- ARGV[4..] for each entry: its id, and how often it is said to have been delivered, or ''
--          for no change; 500 at most
--
-- Returns of each 1 if it was still pending at this consumer; 2 if it is neither pending
-- nor in the stream any more, so that nobody else can have it; 0 else. Entries that are
-- pending elsewhere are left alone.

local call = redis.call
local answer = {}
for i = 4, #ARGV, 2 do
  local id, held = ARGV[i], 0
  if #call('XPENDING', KEYS[1], ARGV[1], id, id, 1, ARGV[2]) > 0 then
    local claim = {'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'IDLE', ARGV[3], 'JUSTID'}
    if ARGV[i + 1] ~= '' then
      claim = {'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'IDLE', ARGV[3], 'RETRYCOUNT', ARGV[i + 1], 'JUSTID'}
    end
    held = #call(unpack(claim)) > 0 and 1 or 2 -- it ends what is not in the stream
  elseif #call('XRANGE', KEYS[1], id, id) == 0 and #call('XPENDING', KEYS[1], ARGV[1], id, id, 1) == 0 then
    held = 2
  end
  answer[#answer + 1] = held
end
return answer
