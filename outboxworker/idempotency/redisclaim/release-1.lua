-- release-1: gives a claim back.
--
-- KEYS[1]  the message's key, for one group
-- ARGV[1]  the token of who had claimed it
--
-- Returns 1, or 0 if the claim was not that token's.

if redis.call('GET', KEYS[1]) == 'P:' .. ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
