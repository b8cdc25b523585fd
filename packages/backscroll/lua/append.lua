--[[ Extends a cached conversation by exactly the next version; what it does not extend, it drops.

  KEYS[1]  messages, list, newest first     KEYS[2]  version     KEYS[3]  lease
  ARGV[1]  the conversation's version before, ARGV[2] and after the change, < 2^53
  ARGV[3]  index of the list's last element at most     ARGV[4]  ttl in ms     ARGV[5…]  elements, oldest first

  Returns 1 extended, 0 nothing to do, -1 dropped: a change in between is missing, or one of the keys is.
]]
redis.call("DEL", KEYS[3])
local version = redis.call("GET", KEYS[2])
local present = redis.call("EXISTS", KEYS[1]) == 1
if not version and not present then return 0 end
if version and tonumber(version) >= tonumber(ARGV[2]) then return 0 end
if present and version == ARGV[1] then
  redis.call("LPUSH", KEYS[1], unpack(ARGV, 5))
  redis.call("LTRIM", KEYS[1], 0, ARGV[3])
  redis.call("PEXPIRE", KEYS[1], ARGV[4])
  redis.call("SET", KEYS[2], ARGV[2], "PX", ARGV[4])
  return 1
end
redis.call("DEL", KEYS[1], KEYS[2])
return -1
