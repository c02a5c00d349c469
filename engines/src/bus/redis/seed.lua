#!lua
-- seed: only where the state is absent, or for a new epoch where it is still of the incarnation that the caller knows.
--
-- KEYS[1]  the partition's sorted set
-- ARGV[1]  the log's end
-- ARGV[2]  the new incarnation
-- ARGV[3]  the expected incarnation; empty: the state is expected to be absent
--
-- Returns 1 if it was seeded, 0 if not.
local set, expected = KEYS[1], ARGV[3]
local present = redis.call('ZSCORE', set, '!inc')
if expected == '' then
  if present then
    return 0
  end
elseif not present or tonumber(present) ~= tonumber(expected) then
  return 0
end
redis.call('DEL', set)
redis.call('ZADD', set, ARGV[1], '!next', ARGV[1], '!seed', ARGV[2], '!inc')
return 1
