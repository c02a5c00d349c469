#!lua
-- renew: a gateway lives from now on for a while, by the server's clock, which all of them share.
--
-- KEYS[1]  the sorted set of gateways by expiry
-- ARGV[1]  the gateway
-- ARGV[2]  for how many milliseconds
--
-- Returns the names of all gateways that live.
local gateways = KEYS[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZADD', gateways, string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('ZREMRANGEBYSCORE', gateways, '-inf', string.format('%.0f', now))
return redis.call('ZRANGE', gateways, '0', '-1')
