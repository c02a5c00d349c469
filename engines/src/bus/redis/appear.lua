#!lua
-- appear: a holder says who came and who is gone in a room.
--
-- KEYS[1]  the holder's set of people in the room
-- ARGV[1]  for how many milliseconds it is kept
-- ARGV[2]  how many came
-- ARGV[3…] those who came, then those who are gone
local people, ttl, come = KEYS[1], ARGV[1], tonumber(ARGV[2])
for i = 3, #ARGV do
  if i < 3 + come then
    redis.call('SADD', people, ARGV[i])
  else
    redis.call('SREM', people, ARGV[i])
  end
end
redis.call('PEXPIRE', people, ttl)
return 1
