--[[ Keeps slots that are open, and brings back those that Redis has lost.

  KEYS[1]  slots, sorted by the time of Redis (ms) at which they lapse
  ARGV[1]  ms that they are kept without being renewed     ARGV[2…]  slots
]]
local time = redis.call("TIME")
local lapse = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for i = 2, #ARGV do redis.call("ZADD", KEYS[1], lapse, ARGV[i]) end
return redis.call("PEXPIRE", KEYS[1], ARGV[1])
