--[[ Takes a server's share of a budget: what waits there now, or a 64th of what is left when that is more.

  KEYS[1]  how much was taken in this window
  ARGV[1]  the budget     ARGV[2]  the window in ms     ARGV[3]  how many wait, at least 1

  Returns the share, 0 when nothing is left; what is left after it; and the ms until the window ends. No server's clock
  is asked.
]]
local left = tonumber(ARGV[1]) - tonumber(redis.call("GET", KEYS[1]) or "0")
local share = math.max(0, math.min(left, math.max(tonumber(ARGV[3]), math.floor(left / 64))))
if share > 0 then redis.call("INCRBY", KEYS[1], share) end
local ttl = redis.call("PTTL", KEYS[1])
if ttl < 0 then
  ttl = tonumber(ARGV[2])
  redis.call("PEXPIRE", KEYS[1], ttl)
end
return { share, math.max(0, left - share), ttl }
