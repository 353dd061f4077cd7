-- waiting_run-11: makes due at once what waits for a retry.
--
-- KEYS[11] the audit stream
-- ARGV[1]  when the command began, in ms: what waits since then, or later, is left alone
-- ARGV[2..5]  for the audit: who, why, by which filter, which run
-- ARGV[6..] the names of what waits; 500 at most
--
-- Returns of each: ok; due, it is already; handling, it is under way; parked, behind another
-- of its key; changed, it was tried since, or has no time; or gone.

check()
local audit = KEYS[11]
call('XLEN', audit)
local at = now()

local function run(name)
  local blob = call('HGET', entries, name)
  if not blob then
    return 'gone'
  end
  local state = readable(call('HGET', states, name), name)
  local what, score = condition(name, unpacked(blob), state)
  if what ~= 'retry' then
    return what
  end
  if not score or since(state) >= tonumber(ARGV[1]) then
    return 'changed'
  end
  if tonumber(score) <= at / 1000 then
    return 'due'
  end
  call('ZREM', due, name) -- first, as Redis then allows the rest also without memory
  call('ZADD', due, math.floor(at / 1000), name)
  return 'ok'
end

local answer, changed = {}, {}
for i = 6, #ARGV do
  answer[#answer + 1] = run(ARGV[i])
  if answer[#answer] == 'ok' then
    changed[#changed + 1] = ARGV[i]
  end
end
if #changed > 0 then
  call('XADD', audit, '*', 'action', 'run-now', 'actor', ARGV[2], 'reason', ARGV[3], 'filter', ARGV[4], 'run', ARGV[5],
    'count', #changed, 'ids', table.concat(changed, ','))
end
return answer
