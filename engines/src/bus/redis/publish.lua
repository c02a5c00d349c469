#!lua
-- publish: a compare-and-set on where the last publish ended.
--
-- KEYS[1]  the partition's sorted set
-- ARGV[1]  how the partition's tails begin; incarnation and room follow
-- ARGV[2]  how the rooms' channels begin; the room follows
-- ARGV[3]  from
-- ARGV[4]  to
-- ARGV[5]  cap: entries of a tail
-- ARGV[6]  ttl of a tail in milliseconds
-- ARGV[7…] per room: room, last, frames
--
-- Returns {} if the state is missing, {next, inc} if from is not next, {next} if it was published.
local set, tails, channels = KEYS[1], ARGV[1], ARGV[2]
local from, to, cap, ttl = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

-- A number below 2^53 as text without loss; tostring rounds to 14 digits.
local function text(number)
  return string.format('%.0f', number)
end

local state = redis.call('ZMSCORE', set, '!next', '!seed', '!inc')
if not state[1] then
  return {}
end
local next, seed, inc = tonumber(state[1]), tonumber(state[2]), text(tonumber(state[3]))
if next ~= from then
  return { text(next), inc }
end
for i = 7, #ARGV, 3 do
  local room, last, frames = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
  local prev = seed
  local score = redis.call('ZSCORE', set, room)
  if score then
    prev = math.max(tonumber(score) + 1, seed)
  end
  local entry = text(prev) .. ':' .. frames
  local tail = tails .. inc .. ':' .. room
  redis.call('RPUSH', tail, entry)
  redis.call('LTRIM', tail, text(-cap), '-1')
  redis.call('PEXPIRE', tail, text(ttl))
  redis.call('ZADD', set, text(last), room)
  redis.call('PUBLISH', channels .. room, entry)
end
redis.call('ZADD', set, text(to), '!next')
return { text(to) }
