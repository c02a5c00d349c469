#!lua
-- hold: a holder says how many places of a bucket it has, unless it would be too many together with the others that live.
--
-- KEYS[1]  the bucket: a hash of holders and how many each has
-- KEYS[2]  the sorted set of holders by expiry
-- ARGV[1]  the holder
-- ARGV[2]  count
-- ARGV[3]  most
-- ARGV[4]  for how many milliseconds the bucket is kept
--
-- Returns 1 if it was said, 0 if it would be too many.
local bucket, holders, holder = KEYS[1], KEYS[2], ARGV[1]
local count, most = tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local held = redis.call('HGETALL', bucket)
local others, before = 0, 0
for i = 1, #held, 2 do
  local until_when = redis.call('ZSCORE', holders, held[i])
  if not until_when or tonumber(until_when) <= now then
    redis.call('HDEL', bucket, held[i])
  elseif held[i] == holder then
    before = tonumber(held[i + 1])
  else
    others = others + tonumber(held[i + 1])
  end
end
-- Fewer than before are fewer, whatever the others have.
if count > before and others + count > most then
  return 0
end
if count > 0 then
  redis.call('HSET', bucket, holder, ARGV[2])
  redis.call('PEXPIRE', bucket, ARGV[4])
else
  redis.call('HDEL', bucket, holder)
end
return 1
