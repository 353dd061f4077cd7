-- setaside-2: renames a key that is of the wrong type, so that its name is free.
--
-- KEYS[1]  the key
-- KEYS[2]  its new name
-- ARGV[1]  the right type
--
-- Returns 1 if it was renamed.

local found = redis.call('TYPE', KEYS[1]).ok
if found == 'none' or found == ARGV[1] then
  return 0
end
redis.call('RENAME', KEYS[1], KEYS[2])
return 1
