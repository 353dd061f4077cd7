-- waiting_find-10: looks for messages among all that waits, a part of it at a time.
--
-- ARGV[1]  where to begin: 0, or what the call before returned
-- ARGV[2]  what is looked for: id, key or biz_id
-- ARGV[3]  its value; of an id also that of an entry
--
-- Returns {next, row, ...}: where to go on, or 0.

check()
local at = now()
local found = call('HSCAN', entries, ARGV[1], 'COUNT', 100)
local answer = {found[1]}
for i = 1, #found[2], 2 do
  local name, fields = found[2][i], unpacked(found[2][i + 1])
  local state = readable(call('HGET', states, name), name)
  if wanted(ARGV[2], ARGV[3], fields, state.entry) then
    answer[#answer + 1] = row(name, fields, state, at)
  end
end
return answer
