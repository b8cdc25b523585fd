-- Rows that others write: the application's Prisma client, a job, somebody with psql. Backscroll's own statements give a
-- message its seq, and raise a version with every change, so that for them none of these triggers runs. What runs finds
-- the tables beside the one written to, whatever the writer's search_path is.

-- Takes what is cached under a name out of every server's cache, at COMMIT: the announcement that one server makes to the
-- others, by one that none of them is. Equal ones of a transaction are sent once.
create function announce_cached_past_service(user_id bigint, cached_as text) returns void language sql as $$
  select pg_notify('backscroll_' || replace(database_id::text, '-', ''),
                   '00000000-0000-0000-0000-000000000000 ' || $1 || ':' || $2)
    from installation
$$;

create function announce_past_service(user_id bigint, conversation_id uuid) returns void language sql as $$
  select announce_cached_past_service($1, $2::text)
$$;

-- Gives a message its place: what an append does, for one row.
create function append_past_service() returns trigger language plpgsql as $$
declare
  writers_path constant text := current_setting('search_path');
  moved_at timestamptz;
begin
  perform set_config('search_path', quote_ident(tg_table_schema) || ', pg_temp', true);
  -- A statement of its own: what follows sees all that was committed while this one waited.
  perform from conversations
    where user_id = new.user_id and id = new.conversation_id and deleted_at is null for no key update;
  if not found then
    if exists (select from conversations where user_id = new.user_id and id = new.conversation_id) then
      raise exception 'conversation % of user % is in the trash', new.conversation_id, new.user_id
        using errcode = 'object_not_in_prerequisite_state', hint = 'Restore it first: set its deleted_at to null.';
    end if;
    raise exception 'user % has no conversation %', new.user_id, new.conversation_id
      using errcode = 'foreign_key_violation', schema = tg_table_schema, table = tg_table_name,
            constraint = 'messages_conversation_fkey';
  end if;

  -- The id is taken: this row fails on it, or gives way where its statement says so. So nothing moves for it, and its
  -- namesake cannot leave before.
  perform from messages
    where user_id = new.user_id and conversation_id = new.conversation_id and id = new.id for key share;
  if found then
    new.seq := 0;
    new.created_at := coalesce(new.created_at, statement_timestamp());
  else
    -- A UUIDv7, as Backscroll mints it: 48 bits of milliseconds, and a random UUID's others with the version's two set.
    new.id := coalesce(new.id, encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing
      substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1), 52, 1), 53, 1), 'hex')::uuid);
    -- A time that is given is kept as an import keeps it: it never runs backwards along seq, nor into the future.
    if new.created_at is not null then
      new.created_at := greatest(
        least(new.created_at, statement_timestamp()),
        (select created_at from messages
          where user_id = new.user_id and conversation_id = new.conversation_id order by seq desc limit 1));
    end if;
    update conversations
       set version = version + 1, last_seq = last_seq + 1, message_count = message_count + 1,
           updated_at = greatest(updated_at, coalesce(new.created_at, statement_timestamp()))
     where user_id = new.user_id and id = new.conversation_id
    returning last_seq, updated_at into new.seq, moved_at;
    new.created_at := coalesce(new.created_at, moved_at);
    perform announce_past_service(new.user_id, new.conversation_id);
  end if;
  perform set_config('search_path', writers_path, true);
  return new;
end $$;
create trigger messages_append_past_service before insert on messages
  for each row when (new.seq is null) execute function append_past_service();

-- Makes a changed row an edit: with the next version, and recognised by a late retry of its save.
create function edit_past_service() returns trigger language plpgsql as $$
declare
  writers_path constant text := current_setting('search_path');
  says_other constant boolean := new.content is distinct from old.content;
begin
  if (new.user_id, new.conversation_id, new.seq, new.id) is distinct from
     (old.user_id, old.conversation_id, old.seq, old.id) then
    raise exception 'a message keeps its user_id, conversation_id, seq and id'
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  perform set_config('search_path', quote_ident(tg_table_schema) || ', pg_temp', true);
  new.version := old.version + 1;
  if says_other then
    new.edited_at := greatest(new.created_at, statement_timestamp());
    new.saved_content_md5 := coalesce(old.saved_content_md5, md5(old.content)::uuid);
  end if;
  update conversations
     set version = version + 1,
         updated_at = case when says_other then greatest(updated_at, statement_timestamp()) else updated_at end
   where user_id = new.user_id and id = new.conversation_id;
  perform announce_past_service(new.user_id, new.conversation_id);
  perform set_config('search_path', writers_path, true);
  return new;
end $$;
create trigger messages_edit_past_service before update on messages
  for each row when (new.version = old.version) execute function edit_past_service();

-- Into the trash, out of it, or gone: what is in the cache is not to be shown, or is again; and the sessions that lead there
-- with it.
create function move_past_service() returns trigger language plpgsql as $$
declare
  writers_path constant text := current_setting('search_path');
begin
  perform set_config('search_path', quote_ident(tg_table_schema) || ', pg_temp', true);
  if tg_op = 'UPDATE' then
    update conversations set version = version + 1 where user_id = old.user_id and id = old.id;
  end if;
  perform announce_past_service(old.user_id, old.id);
  perform announce_cached_past_service(s.user_id, 'session:' || s.id)
    from sessions as s where s.user_id = old.user_id and s.conversation_id = old.id;
  perform set_config('search_path', writers_path, true);
  return old;
end $$;
-- After, not before: a trigger before an update would lock the row once more, with every append.
create trigger conversations_move_past_service after update of deleted_at on conversations
  for each row when (new.version = old.version and new.deleted_at is distinct from old.deleted_at)
  execute function move_past_service();
-- Before: afterwards its sessions are gone, too, and nobody knows which they were.
create trigger conversations_delete_past_service before delete on conversations
  for each row when (not old.erasing) execute function move_past_service();
