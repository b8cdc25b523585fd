--[[ Opens one more of somebody's slots, unless there are too many.

  KEYS[1]  slots, sorted by the time of Redis (ms) at which they lapse
  ARGV[1]  the slot     ARGV[2]  how many there may be     ARGV[3]  ms that it is kept without being renewed

  Returns 1 opened, 0 refused.
]]
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
if redis.call("ZCARD", KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call("ZADD", KEYS[1], now + ARGV[3], ARGV[1])
redis.call("PEXPIRE", KEYS[1], ARGV[3])
return 1
