#!lua
-- take: tokens from a bucket (GCRA), by the server's clock, which all gateways share. The arithmetic is that of bus/rate.rs.
--
-- KEYS[1]  the bucket: when it is full again, in microseconds; absent: it is full
-- ARGV[1]  in how many microseconds one token comes back
-- ARGV[2]  in how many an empty bucket is full again
-- ARGV[3]  cost: how many tokens
-- ARGV[4]  1: they were given away already, and are owed if they are not there
--
-- Returns {0, how long to wait} and changes nothing, or {1, how far the bucket is from full}; in microseconds.
local bucket = KEYS[1]
local interval, capacity, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local level = tonumber(redis.call('GET', bucket) or 0)
local wanted = math.max(level, now) + interval * cost
if ARGV[4] ~= '1' and wanted > now + capacity then
  return { 0, wanted - now - capacity }
end
-- A bucket that is full needs no key.
redis.call('SET', bucket, string.format('%.0f', wanted), 'PX', string.format('%.0f', math.ceil((wanted - now) / 1000) + 1))
return { 1, wanted - now }
