-- A conversation erased for good and made again with the same id must not meet its predecessor's versions: what a
-- cache still holds of the dead one would pass for the new one's. So a version begins at the microsecond of the
-- creation, and still grows by one with every change: no conversation changes a million times a second, and only a
-- clock set back to before the dead one's last change could repeat a version.
-- Below 2^53 until the year 2255: exact as a double, in JavaScript and in Redis.
alter table conversations
  alter column version set default (extract(epoch from statement_timestamp()) * 1000000)::bigint;
