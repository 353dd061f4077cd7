-- lane_extend-10: makes an owner's lease last from now, or gives up the lane.
--
-- ARGV[2]  the length of the lease in ms, or '' when the lane is given up, with nothing
--          under way
--
-- Returns {1}.

if not owned() then
  return {0}
end
if ARGV[2] == '' then
  call('PERSIST', owner)
  call('HSET', owner, 'owner', '')
else
  call('PEXPIRE', owner, ARGV[2])
end
return {1}
