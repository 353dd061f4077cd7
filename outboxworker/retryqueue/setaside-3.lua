-- setaside-3: renames a key that is of the wrong type, so that its name is free.
--
-- KEYS[1]  the key
-- KEYS[2]  its new name
-- KEYS[3]  the epoch, which is taken away with the key: what was under its name is lost
-- ARGV[1]  the right type
--
-- Returns 1 if it was renamed.

local found = redis.call('TYPE', KEYS[1]).ok
if found == 'none' or found == ARGV[1] then
  return 0
end
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('DEL', KEYS[3])
return 1
