#!lua
-- raise: the versions of some people's rights, each kept if it is greater than the one that is there.
--
-- KEYS[n]      a person's version
-- ARGV[1]      for how many milliseconds they are kept
-- ARGV[1 + n]  the person's version
for n, key in ipairs(KEYS) do
    local version = tonumber(ARGV[1 + n])
    local known = tonumber(redis.call('GET', key) or '-1')
    redis.call('SET', key, string.format('%.0f', math.max(version, known)), 'PX', ARGV[1])
end
return 0
