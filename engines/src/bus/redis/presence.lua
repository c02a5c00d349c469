#!lua flags=no-writes
-- presence: how many people are online in a room, and who, by what the holders that live have said.
--
-- KEYS[1]  the sorted set of holders by expiry
-- ARGV[1]  how the room's sets of people begin; a holder follows
-- ARGV[2]  above how many people a person at two holders counts twice, since nobody looks for them any more
-- ARGV[3]  most: so many are named; none are if there are more
--
-- Returns {how many, people…}.
local holders, sets, exact, most = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local keys, count = {}, 0
for _, holder in ipairs(redis.call('ZRANGE', holders, '(' .. string.format('%.0f', now), '+inf', 'BYSCORE')) do
  local people = redis.call('SCARD', sets .. holder)
  if people > 0 then
    keys[#keys + 1] = sets .. holder
    count = count + people
  end
end
if count == 0 or count > exact then
  return { count }
end
local people = redis.call('SUNION', unpack(keys))
count = #people
if count > most then
  return { count }
end
table.insert(people, 1, count)
return people
