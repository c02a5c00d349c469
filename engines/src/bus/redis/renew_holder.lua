#!lua
-- renew_holder: a holder of places lives from now on for a while.
--
-- KEYS[1]  the sorted set of holders by expiry
-- ARGV[1]  the holder
-- ARGV[2]  for how many milliseconds
--
-- Returns 1 if it lived before, else 0.
local holders = KEYS[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local before = redis.call('ZSCORE', holders, ARGV[1])
redis.call('ZADD', holders, string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('ZREMRANGEBYSCORE', holders, '-inf', string.format('%.0f', now))
if before and tonumber(before) > now then
  return 1
end
return 0
