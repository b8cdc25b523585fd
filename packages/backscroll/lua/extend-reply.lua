--[[ Adds to the stream of a reply, and says how long it stays.

  KEYS[1]  stream
  ARGV[1]  how many entries it keeps, about     ARGV[2]  ttl in ms     ARGV[3]  field     ARGV[4]  value
]]
redis.call("XADD", KEYS[1], "MAXLEN", "~", ARGV[1], "*", ARGV[3], ARGV[4])
return redis.call("PEXPIRE", KEYS[1], ARGV[2])
