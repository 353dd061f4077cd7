-- extend-1: makes a claim last for a whole lease from now.
--
-- KEYS[1]  the message's key, for one group
-- ARGV[1]  the token of who has claimed it
-- ARGV[2]  the lease in ms
--
-- Returns 1, or 0 if the claim is not that token's, or not any more.

if redis.call('GET', KEYS[1]) == 'P:' .. ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
