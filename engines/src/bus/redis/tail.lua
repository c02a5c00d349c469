#!lua flags=no-writes
-- tail: all of the room's published records in [floor, next).
--
-- KEYS[1]  the partition's sorted set
-- ARGV[1]  how the partition's tails begin; incarnation and room follow
-- ARGV[2]  room
--
-- Returns {} if the state is missing, else {next, floor, entries…}.
local set, tails, room = KEYS[1], ARGV[1], ARGV[2]

-- A number below 2^53 as text without loss; tostring rounds to 14 digits.
local function text(number)
  return string.format('%.0f', number)
end

local state = redis.call('ZMSCORE', set, '!next', '!seed', '!inc', room)
if not state[1] then
  return {}
end
local next, seed, inc = tonumber(state[1]), tonumber(state[2]), text(tonumber(state[3]))
local reply = redis.call('LRANGE', tails .. inc .. ':' .. room, '0', '-1')
local floor
if reply[1] then
  floor = string.match(reply[1], '^(%d+):')
elseif state[4] then
  floor = text(math.max(tonumber(state[4]) + 1, seed))
else
  floor = text(seed)
end
table.insert(reply, 1, floor)
table.insert(reply, 1, text(next))
return reply
