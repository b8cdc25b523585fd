--[[ Makes sure that a user's changes are kept from now on.

  KEYS[1]  stream
  ARGV[1]  ttl in ms

  Returns the id of the newest entry: of a new stream, one that marks its beginning.
]]
local newest = redis.call("XREVRANGE", KEYS[1], "+", "-", "COUNT", 1)[1]
local id = newest and newest[1] or redis.call("XADD", KEYS[1], "*", "begin", "")
redis.call("PEXPIRE", KEYS[1], ARGV[1])
return id
