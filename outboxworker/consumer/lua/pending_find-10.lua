-- pending_find-10: looks for messages among the entries that consumers have read and not
-- ended, a part of them at a time.
--
-- ARGV[1]  the group
-- ARGV[2]  from which id on, as XPENDING has it
-- ARGV[3]  the most entries to look at, up to 500
-- ARGV[4]  about how many bytes of them, at most
-- ARGV[5]  what is looked for: id, key or biz_id
-- ARGV[6]  its value; of an id also that of an entry
--
-- Returns {next, {id, since, bytes of the payload, fields}, ...}: from which id on to go
-- on, or ''; and since when in ms the consumer has it. The fields of what is not in the
-- stream any more are none.

local at = now()
local all = redis.pcall('XPENDING', stream, ARGV[1], ARGV[2], '+', ARGV[3])
if all.err then
  if not string.find(all.err, 'NOGROUP', 1, true) then
    return redis.error_reply(all.err)
  end
  all = {}
end
local answer, bytes = {#all == tonumber(ARGV[3]) and '(' .. all[#all][1] or ''}, 0
for i, p in ipairs(all) do
  local entry = call('XRANGE', stream, p[1], p[1])[1]
  local fields = entry and entry[2] or {}
  for _, text in ipairs(fields) do
    bytes = bytes + #text
  end
  if wanted(ARGV[5], ARGV[6], fields, p[1]) then
    answer[#answer + 1] = {p[1], math.floor(at / 1000) - p[3], bare(fields), fields}
  end
  if bytes >= tonumber(ARGV[4]) and i < #all then
    answer[1] = '(' .. p[1]
    break
  end
end
return answer
