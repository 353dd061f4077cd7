-- waiting_find-10: looks for messages among all that waits, a part of it at a time.
--
-- ARGV[1]  where to begin: 0, or what the call before returned
-- ARGV[2]  what is looked for: id, key or biz_id
-- ARGV[3]  its value; of an id also that of an entry
-- ARGV[4]  after how many entries to end
-- ARGV[5]  after how many bytes of them to end
--
-- Returns {next, row, ...}: where to go on, or 0.

check()
local at = now()
local answer, count, bytes = {ARGV[1]}, 0, 0
repeat
  local found = call('HSCAN', entries, answer[1], 'COUNT', 8) -- a few, as any may be large
  answer[1] = found[1]
  for i = 1, #found[2], 2 do
    local name, blob = found[2][i], found[2][i + 1]
    count, bytes = count + 1, bytes + #blob
    local fields, state = unpacked(blob), readable(call('HGET', states, name), name)
    if wanted(ARGV[2], ARGV[3], fields, state.entry) then
      answer[#answer + 1] = row(name, fields, state, at)
    end
  end
until answer[1] == '0' or count >= tonumber(ARGV[4]) or bytes >= tonumber(ARGV[5])
return answer
