#!lua flags=no-writes
-- beat: where the partition stands, and every room whose score is at or above since.
--
-- KEYS[1]  the partition's sorted set
-- ARGV[1]  since
--
-- Returns {} if the state is missing, else {next, seed, inc, (room, score)…}.
local set, since = KEYS[1], ARGV[1]

-- A number below 2^53 as text without loss; tostring rounds to 14 digits.
local function text(number)
  return string.format('%.0f', number)
end

local state = redis.call('ZMSCORE', set, '!next', '!seed', '!inc')
if not state[1] then
  return {}
end
local reply = { text(tonumber(state[1])), text(tonumber(state[2])), text(tonumber(state[3])) }
local found = redis.call('ZRANGE', set, since, '+inf', 'BYSCORE', 'WITHSCORES')
for i = 1, #found, 2 do
  if string.sub(found[i], 1, 1) ~= '!' then
    reply[#reply + 1] = found[i]
    reply[#reply + 1] = text(tonumber(found[i + 1]))
  end
end
return reply
