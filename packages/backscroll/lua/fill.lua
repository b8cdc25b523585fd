--[[ Installs a snapshot of a conversation's newest messages, if nothing has changed since its lease was taken.

  KEYS[1]  messages, list, newest first     KEYS[2]  version     KEYS[3]  lease
  ARGV[1]  token of the lease     ARGV[2]  version of the snapshot, < 2^53
  ARGV[3]  ttl in ms     ARGV[4…]  elements, newest first

  Returns 1 installed, 0 refused.
]]
if redis.call("GET", KEYS[3]) ~= ARGV[1] then return 0 end
redis.call("DEL", KEYS[1], KEYS[3])
redis.call("RPUSH", KEYS[1], unpack(ARGV, 4))
redis.call("PEXPIRE", KEYS[1], ARGV[3])
redis.call("SET", KEYS[2], ARGV[2], "PX", ARGV[3])
return 1
