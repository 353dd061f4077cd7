-- entry_find-10: looks for an entry of the stream by its id.
--
-- ARGV[1]  the group
-- ARGV[2]  the id
--
-- Returns {} if it is not in the stream, or {last, bytes of the payload, fields}: the last
-- entry that the group has read, or '' if there is no group.

local entry = call('XRANGE', stream, ARGV[2], ARGV[2])[1]
if not entry then
  return {}
end
local last = ''
for _, flat in ipairs(call('XINFO', 'GROUPS', stream)) do
  local group = {}
  for i = 1, #flat, 2 do
    group[flat[i]] = flat[i + 1]
  end
  if group.name == ARGV[1] then
    last = group['last-delivered-id']
  end
end
return {last, bare(entry[2]), entry[2]}
