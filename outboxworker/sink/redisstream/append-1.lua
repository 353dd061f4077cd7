-- append-1: appends messages to one stream, in their order, up to the first error.
--
-- KEYS[1]  the stream
-- ARGV[1]  about how many entries the stream is trimmed to, or '' for no trimming
-- ARGV[2..] for each message: the names of its fields, separated by commas, or ''
--          when they are those of the message before; then the fields' values
--
-- Returns {n, error}: the first n messages are in the stream, and no other; error is
-- the answer to the next one, or '' when all are. READONLY is returned as the error that
-- it is, for the client to see that the connection leads to the wrong server.

local argv, call = ARGV, redis.pcall
local entry = {'XADD', KEYS[1], '*'}
if argv[1] ~= '' then
  entry = {'XADD', KEYS[1], 'MAXLEN', '~', argv[1], '*'}
end

local head, last = #entry, #argv
local width, i, n = head, 2, 0
while i <= last do
  if argv[i] ~= '' then
    width = head
    for name in string.gmatch(argv[i], '[^,]+') do
      entry[width + 1] = name
      width = width + 2
    end
  end
  for value = head + 2, width, 2 do
    i = i + 1
    entry[value] = argv[i]
  end
  i = i + 1
  -- Of a table that is wider than the message only the front is used.
  local answer = call(unpack(entry, 1, width))
  if type(answer) == 'table' and answer.err then
    if n == 0 and string.find(answer.err, 'READONLY ', 1, true) == 1 then
      return answer
    end
    return {n, answer.err}
  end
  n = n + 1
end
return {n, ''}
